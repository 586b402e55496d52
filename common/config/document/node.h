// A TOML document as plain values with their places: what the checks of the sections read. It knows
// nothing of what the keys mean. No parsing here (toml_reader.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/table/origin.h"

namespace postwain::config {

struct Entry;

struct Node {
  enum class Kind : std::uint8_t { table, array, string, integer, real, boolean, moment };

  Kind kind = Kind::table;
  Origin origin;
  std::string text;  // string
  std::int64_t integer = 0;
  double real = 0;
  bool boolean = false;
  std::vector<Node> items;     // array
  std::vector<Entry> entries;  // table, in the order of the file

  const Entry* find(std::string_view key) const;
  Entry* find(std::string_view key);
  bool is_array_of_tables() const;
};

// A key of a table: where the key itself stands, and its value.
struct Entry {
  std::string key;
  Origin origin;
  Node value;
};

// "a string", "an integer" … for messages.
std::string_view name_of(Node::Kind kind);

}  // namespace postwain::config
