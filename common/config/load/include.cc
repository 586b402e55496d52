#include "common/config/load/include.h"

#include <fmt/format.h>

namespace postwain::config {

namespace {

std::string qualified(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

void merge_table(Context& context, const std::string& path, Node& into, Node&& from) {
  for (Entry& entry : from.entries) {
    Entry* first = into.find(entry.key);
    if (first == nullptr) {
      into.entries.push_back(std::move(entry));
    } else if (first->value.kind == Node::Kind::table && entry.value.kind == Node::Kind::table) {
      merge_table(context, qualified(path, entry.key), first->value, std::move(entry.value));
    } else if (first->value.is_array_of_tables() && entry.value.is_array_of_tables()) {
      for (Node& item : entry.value.items) first->value.items.push_back(std::move(item));
    } else {
      context.error(entry.origin, fmt::format("{} is already set at {}", qualified(path, entry.key),
                                              first->origin.text()));
    }
  }
}

}  // namespace

void merge_document(Context& context, Node& into, Node&& from) {
  if (const Entry* nested = from.find("include"))
    context.error(nested->origin, "include is for the main file only");
  std::erase_if(from.entries, [](const Entry& entry) { return entry.key == "include"; });
  merge_table(context, "", into, std::move(from));
}

std::vector<const Node*> include_patterns(Context& context, const Node& document) {
  Section top(context, document, "");
  std::vector<const Node*> out;
  for (const Node* node : top.texts("include", true)) {
    if (node->text.empty())
      context.error(node->origin, "include is empty");
    else
      out.push_back(node);
  }
  return out;
}

}  // namespace postwain::config
