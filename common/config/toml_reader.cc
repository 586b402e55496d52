#include "common/config/toml_reader.h"

#include <algorithm>
#include <tuple>

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace postwain::config {

namespace {

Origin origin_of(const std::string& file, const toml::source_region& region) {
  return Origin{file, static_cast<int>(region.begin.line), static_cast<int>(region.begin.column)};
}

Node convert(const std::string& file, const toml::node& from);

void convert_table(const std::string& file, const toml::table& from, Node& node) {
  node.kind = Node::Kind::table;
  for (auto&& [key, value] : from)
    node.entries.push_back(
        Entry{std::string(key.str()), origin_of(file, key.source()), convert(file, value)});
  // toml++ sorts by key; people read files from top to bottom.
  std::stable_sort(node.entries.begin(), node.entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.origin.line, a.origin.column) < std::tie(b.origin.line, b.origin.column);
  });
}

Node convert(const std::string& file, const toml::node& from) {
  Node node;
  node.origin = origin_of(file, from.source());
  if (const toml::table* table = from.as_table()) {
    convert_table(file, *table, node);
  } else if (const toml::array* array = from.as_array()) {
    node.kind = Node::Kind::array;
    for (auto&& item : *array) node.items.push_back(convert(file, item));
  } else if (auto* text = from.as_string()) {
    node.kind = Node::Kind::string;
    node.text = text->get();
  } else if (auto* integer = from.as_integer()) {
    node.kind = Node::Kind::integer;
    node.integer = integer->get();
  } else if (auto* real = from.as_floating_point()) {
    node.kind = Node::Kind::real;
    node.real = real->get();
  } else if (auto* boolean = from.as_boolean()) {
    node.kind = Node::Kind::boolean;
    node.boolean = boolean->get();
  } else {
    node.kind = Node::Kind::moment;
  }
  return node;
}

// "Error while parsing key: expected …" says the same to a person without its first words.
std::string plain(std::string_view description) {
  constexpr std::string_view kPrefix = "Error while parsing ";
  if (description.substr(0, kPrefix.size()) == kPrefix) description.remove_prefix(kPrefix.size());
  return "syntax error in " + std::string(description);
}

}  // namespace

Node read_toml(const std::string& file, std::string_view text,
               std::vector<Diagnostic>& diagnostics) {
  toml::parse_result result = toml::parse(text, std::string_view(file));
  if (result) return convert(file, result.table());
  diagnostics.push_back(
      Diagnostic{origin_of(file, result.error().source()), plain(result.error().description())});
  Node empty;
  empty.origin = Origin{file, 1, 1};
  return empty;
}

}  // namespace postwain::config
