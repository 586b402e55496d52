// Small text functions that do not depend on the locale. ASCII only where letters are compared (RFC
// 5321 2.4).
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postwain {

inline char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
inline bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
inline bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
inline bool is_alnum(char c) {
  return is_digit(c) || is_alpha(c);
}

std::string to_lower(std::string_view text);
bool iequals(std::string_view a, std::string_view b);
bool istarts_with(std::string_view text, std::string_view prefix);
std::string_view trim(std::string_view text);  // spaces and tabs at both ends
std::vector<std::string_view> split(std::string_view text, char separator);

// The whole text as a decimal number; nothing when it is empty, signed, not all digits, or out of
// range.
template <class Integer>
std::optional<Integer> parse_decimal(std::string_view text) {
  if (text.empty() || !is_digit(text.front())) return std::nullopt;
  Integer value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_ascii(std::string_view text);
bool is_valid_utf8(std::string_view text);

// Makes text from outside safe for one line of log or reply: control characters, DEL, what
// ends or reorders a line in Unicode, and invalid UTF-8 become \xHH, backslash is doubled, the
// result is cut at max_bytes, before what does not fit as a whole; "..." is added to that.
std::string printable(std::string_view text, std::size_t max_bytes = 512);

// -1: no digit. RFC 3461 and RFC 3986 write them in upper case, and lower case means the same.
inline int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  char lower = ascii_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}
// Two digits for each octet, lower case.
std::string hex_encode(std::string_view bytes);

// Base64 of RFC 4648 4, with padding.
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace postwain
