// What is looked at in a TOML text before the parser sees it. The parser, its tables and what we
// make of them go as deep as the text says; so a text says how deep before anything follows it.
// And the parser must not see what TOML 1.0 does not know: for some characters outside of strings
// toml++ 3.3 reaches code of which it has told the compiler that nothing reaches it.
// Pure; knows no more of TOML than strings, comments and dots.
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
