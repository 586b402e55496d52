#include "common/config/document/node.h"

namespace postwain::config {

const Entry* Node::find(std::string_view key) const {
  for (const Entry& entry : entries)
    if (entry.key == key) return &entry;
  return nullptr;
}

Entry* Node::find(std::string_view key) {
  for (Entry& entry : entries)
    if (entry.key == key) return &entry;
  return nullptr;
}

bool Node::is_array_of_tables() const {
  if (kind != Kind::array || items.empty()) return false;
  for (const Node& item : items)
    if (item.kind != Kind::table) return false;
  return true;
}

std::string_view name_of(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::table:
      return "a table";
    case Node::Kind::array:
      return "a list";
    case Node::Kind::string:
      return "a string";
    case Node::Kind::integer:
      return "an integer";
    case Node::Kind::real:
      return "a number with a fraction";
    case Node::Kind::boolean:
      return "true or false";
    case Node::Kind::moment:
      return "a date or time";
  }
  return "?";
}

}  // namespace postwain::config
