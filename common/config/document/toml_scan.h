// What is looked at in a TOML text before the parser sees it. The parser, its tables and what we
// make of them go as deep as the text says; so a text says how deep before anything follows it.
// Pure; knows no more of TOML than strings, comments and dots.
#pragma once

#include <optional>
#include <string_view>

namespace postwain::config {

constexpr int kKeyPartsMax = 16;  // "a.b.c" has three

struct TextPlace {
  int line = 1;
  int column = 1;
};

// Where a key has more than kKeyPartsMax parts.
std::optional<TextPlace> key_with_too_many_parts(std::string_view text);

}  // namespace postwain::config
