#include "common/config/document/toml_reader.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <tuple>

#include <fmt/format.h>

#include "common/config/document/toml_scan.h"

namespace postwain::config {

namespace {

// What the parser believed of its own work was wrong. That happens with texts people write ("[",
// "x = [}"): as it is shipped it aborts then, or goes on with a broken table.
struct ParserMistake {};

// A function of its own: where an exception cannot pass, the compiler need not see that.
[[noreturn]] __attribute__((noinline)) void parser_is_wrong() {
  throw ParserMistake{};
}

}  // namespace

}  // namespace postwain::config

// Its assertions are checked in every build, and thrown: whoever reads a configuration goes on with
// the one he has. Exceptions of toml++ end in this file.
#undef NDEBUG
#define TOML_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : ::postwain::config::parser_is_wrong())
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 32
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

// Nothing: it is no TOML, and why is told; without a place where the parser itself does not know.
std::optional<Node> parse(const std::string& file, std::string_view text, Diagnostic& why) {
  why.origin = Origin{file, 0, 0};
  try {
    return convert(file, toml::parse(text, std::string_view(file)));
  } catch (const toml::parse_error& error) {
    why = {origin_of(file, error.source()), plain(error.description())};
  } catch (const ParserMistake&) {
    why.message = "syntax error: this cannot be read as TOML";
  } catch (const std::exception& error) {
    why.message = fmt::format("syntax error: {}", error.what());
  }
  return std::nullopt;
}

// The shortest beginning of the text, in whole lines, that the parser fails at in the same way: its
// last line.
int line_of_mistake(std::string_view text) {
  std::vector<std::size_t> ends;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    ends.push_back(end);
    at = end;
  }
  std::size_t good = 0;
  std::size_t bad = ends.size();
  while (good + 1 < bad) {
    std::size_t middle = (good + bad) / 2;
    Diagnostic why;
    bool same = !parse("", text.substr(0, ends[middle - 1]), why) && why.origin.line == 0;
    (same ? bad : good) = middle;
  }
  return std::max(static_cast<int>(bad), 1);
}

}  // namespace

Node read_toml(const std::string& file, std::string_view text,
               std::vector<Diagnostic>& diagnostics) {
  Node empty;
  empty.origin = Origin{file, 1, 1};
  if (auto mistake = mistake_in_form(text)) {
    diagnostics.push_back({Origin{file, mistake->line, mistake->column}, std::move(mistake->what)});
    return empty;
  }
  Diagnostic why;
  if (auto node = parse(file, text, why)) return *std::move(node);
  if (why.origin.line == 0) why.origin = Origin{file, line_of_mistake(text), 1};
  diagnostics.push_back(std::move(why));
  return empty;
}

}  // namespace postwain::config
