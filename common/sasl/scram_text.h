// What both ends of SCRAM read and reckon (RFC 5802 5.1, 7).
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

namespace postwain::sasl {

// The value of the attribute that must come next, up to the comma; moves text behind it.
inline std::optional<std::string_view> take_attribute(std::string_view& text, char attribute) {
  if (text.size() < 2 || text[0] != attribute || text[1] != '=') return std::nullopt;
  std::size_t comma = std::min(text.find(','), text.size());
  std::string_view value = text.substr(2, comma - 2);
  text.remove_prefix(std::min(comma + 1, text.size()));
  return value;
}

inline bool is_scram_nonce(std::string_view text) {
  if (text.empty() || text.size() > 512) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= 33 && c <= 126 && c != ','; });
}

// Of two strings of the same length.
inline std::string exclusive_or(std::string_view a, std::string_view b) {
  std::string out(a);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(out[i] ^ b[i]);
  return out;
}

}  // namespace postwain::sasl
