// Checks on a TOML text before the parser reads it. A key with very many parts makes tables so deep
// that code which follows them runs out of stack. A character that is not ASCII outside of strings
// and comments, such as a typographic quotation mark, is told in plainer words than the parser's.
// Pure. The scan knows strings, comments and dots, and nothing else of TOML.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postwain::config {

constexpr int kKeyPartsMax = 16;  // "a.b.c" has three

struct TextMistake {
  int line = 1;
  int column = 1;  // in octets
  std::string what{};
};

// The first place where a key has more than kKeyPartsMax parts, or where a character that is not
// ASCII stands outside of strings and comments. A byte order mark may begin the text.
std::optional<TextMistake> mistake_in_form(std::string_view text);

}  // namespace postwain::config
