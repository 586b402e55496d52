#include "common/smtp/syntax/xtext.h"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::smtp {

namespace {

constexpr std::string_view kUtf8Type = "utf-8";

bool is_type_letter(char c) {
  return is_alnum(c) || c == '-';
}

bool is_printable(char c) {
  return c >= 33 && c <= 126;
}

// The character whose number is code, as UTF-8; empty for what is no character (surrogates).
std::string utf8_character(std::uint32_t code) {
  std::string out;
  auto tail = [&](int shift) { out += static_cast<char>(0x80U | ((code >> shift) & 0x3FU)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0U | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    if (code >= 0xD800 && code <= 0xDFFF) return {};
    out += static_cast<char>(0xE0U | code >> 12);
    tail(6);
    tail(0);
  } else if (code <= 0x10FFFF) {
    out += static_cast<char>(0xF0U | code >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
  return out;
}

// EmbeddedUnicodeChar = %x5C.78 "{" HEXPOINT "}"
// text begins with the backslash; returns its length, 0 when it is none, and appends the character.
std::size_t embedded_character(std::string_view text, std::string& out) {
  constexpr std::size_t kDigitsMax = 6;
  std::size_t close = 3;
  while (close < text.size() && close <= 3 + kDigitsMax && text[close] != '}') ++close;
  if (text.substr(0, 3) != "\\x{" || close == 3 || close > 3 + kDigitsMax || close >= text.size())
    return 0;
  std::uint32_t code = 0;
  for (char c : text.substr(3, close - 3)) {
    int value = hex_value(c);
    if (value < 0) return 0;
    code = code << 4 | static_cast<std::uint32_t>(value);
  }
  std::string character = utf8_character(code);
  if (character.empty() || code < 32 || (code >= 127 && code < 160)) return 0;
  out += character;
  return close + 1;
}

}  // namespace

// xtext = *( xchar / hexchar )    xchar = any ASCII CHAR between "!" and "~" except "+" and "="
std::string xtext_encode(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (is_printable(c) && c != '+' && c != '=')
      out += c;
    else
      out += fmt::format("+{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::optional<std::string> xtext_decode(std::string_view xtext) {
  std::string out;
  for (std::size_t i = 0; i < xtext.size(); ++i) {
    char c = xtext[i];
    if (!is_printable(c) || c == '=') return std::nullopt;
    if (c == '+') {
      if (i + 2 >= xtext.size()) return std::nullopt;
      int high = hex_value(xtext[i + 1]);
      int low = hex_value(xtext[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c != ' ' && !is_printable(c)) return std::nullopt;
    out += c;
  }
  return out;
}

std::string xtext_octets(std::string_view xtext) {
  std::string out;
  for (std::size_t i = 0; i < xtext.size(); ++i) {
    int high = i + 2 < xtext.size() ? hex_value(xtext[i + 1]) : -1;
    int low = high >= 0 ? hex_value(xtext[i + 2]) : -1;
    bool code = xtext[i] == '+' && low >= 0;
    out += code ? static_cast<char>(high * 16 + low) : xtext[i];
    if (code) i += 2;
  }
  return out;
}

// utf-8-addr-xtext   = 1*(QCHAR / EmbeddedUnicodeChar)
// utf-8-addr-unitext = 1*(QUCHAR / EmbeddedUnicodeChar)
// QCHAR = %x21-2A / %x2C-3C / %x3E-5B / %x5D-7E    QUCHAR = QCHAR / UTF8-2 / UTF8-3 / UTF8-4
std::optional<std::string> utf8_address_decode(std::string_view text) {
  if (text.empty() || !is_valid_utf8(text)) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    char c = text[i];
    if (c == '\\') {
      std::size_t size = embedded_character(text.substr(i), out);
      if (size == 0) return std::nullopt;
      i += size;
      continue;
    }
    bool ascii = static_cast<unsigned char>(c) < 128;
    if (ascii && (!is_printable(c) || c == '+' || c == '=')) return std::nullopt;
    out += c;
    ++i;
  }
  return out;
}

std::string utf8_address_encode(std::string_view utf8) {
  std::string out;
  for (std::size_t i = 0; i < utf8.size();) {
    auto byte = [&](std::size_t at) {
      return at < utf8.size() ? static_cast<unsigned char>(utf8[at]) : 0U;
    };
    std::uint32_t code = byte(i);
    std::size_t size = code < 0x80 ? 1 : code < 0xE0 ? 2 : code < 0xF0 ? 3 : 4;
    if (size > 1) code &= 0xFFU >> (size + 1);
    for (std::size_t k = 1; k < size; ++k) code = code << 6 | (byte(i + k) & 0x3FU);
    i += size;
    bool plain = code > 32 && code < 127 && code != '+' && code != '=' && code != '\\';
    if (plain)
      out += static_cast<char>(code);
    else
      out += fmt::format("\\x{{{:02X}}}", code);
  }
  return out;
}

// original-recipient-address = addr-type ";" xtext    addr-type = atom
std::optional<std::string> orcpt_decode(std::string_view value) {
  std::size_t semicolon = value.find(';');
  if (semicolon == 0 || semicolon == std::string_view::npos) return std::nullopt;
  std::string_view type = value.substr(0, semicolon);
  for (char c : type)
    if (!is_alnum(c) && c != '-') return std::nullopt;
  std::string_view rest = value.substr(semicolon + 1);
  auto address = iequals(type, kUtf8Type) ? utf8_address_decode(rest) : xtext_decode(rest);
  if (!address || address->empty()) return std::nullopt;
  return std::string(type) + ';' + *address;
}

std::string orcpt_encode(std::string_view orcpt, bool ascii_only) {
  std::size_t semicolon = orcpt.find(';');
  if (semicolon == std::string_view::npos) return {};
  std::string_view type = orcpt.substr(0, semicolon);
  std::string_view address = orcpt.substr(semicolon + 1);
  // The type is an atom and stands in the command as it is.
  if (type.empty() || !std::all_of(type.begin(), type.end(), is_type_letter)) return {};
  std::string out(orcpt.substr(0, semicolon + 1));
  bool utf8 = iequals(type, kUtf8Type);
  if (utf8 && !is_valid_utf8(address)) return {};
  if (!utf8) return out + xtext_encode(address);
  if (ascii_only) return out + utf8_address_encode(address);
  // utf-8-addr-unitext: only what the grammar cannot carry is embedded.
  for (char c : address) {
    bool plain = static_cast<unsigned char>(c) > 127 ||
                 (is_printable(c) && c != '+' && c != '=' && c != '\\');
    if (plain)
      out += c;
    else
      out += fmt::format("\\x{{{:02X}}}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace postwain::smtp
