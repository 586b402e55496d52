#include "common/authentication/spf/macro.h"

#include <algorithm>
#include <vector>

#include "common/base/text.h"

namespace postwain::authentication::spf {

namespace {

constexpr std::string_view kDelimiters = ".-+,/_=";
constexpr std::string_view kDomainLetters = "slodipvh";
constexpr std::string_view kExplanationLetters = "slodipvhcrt";
constexpr std::size_t kPartsMax = 1000;  // further digits say no more: no value has so many parts

bool is_one_of(char c, std::string_view set) {
  return set.find(c) != std::string_view::npos;
}

bool is_printable_ascii(char c) {
  return c >= ' ' && c <= '~';
}

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c != ' ' && is_printable_ascii(c); });
}

// 1*alphanum with a letter in it, or with hyphens inside (7.1).
bool is_toplabel(std::string_view label) {
  if (label.empty() || !is_alnum(label.front()) || !is_alnum(label.back())) return false;
  bool only_digits = true;
  for (char c : label) {
    if (!is_alnum(c) && c != '-') return false;
    only_digits = only_digits && is_digit(c);
  }
  return !only_digits;
}

// The macro-strings that have only these letters. last: the kind of its last piece.
bool is_macro_text(std::string_view text, std::string_view letters, MacroPiece::Kind& last) {
  MacroReader reader(text);
  while (auto piece = reader.next()) {
    last = piece->kind;
    if (piece->kind == MacroPiece::Kind::macro && !is_one_of(piece->letter, letters)) return false;
  }
  return !reader.failed();
}

std::vector<std::string_view> parts_of(std::string_view value, std::string_view delimiters) {
  std::vector<std::string_view> parts;
  for (;;) {
    std::size_t end = value.find_first_of(delimiters);
    parts.push_back(value.substr(0, end));
    if (end == std::string_view::npos) return parts;
    value.remove_prefix(end + 1);
  }
}

// What RFC 3986 2.3 leaves unreserved stays as it is.
std::string url_escaped(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    auto octet = static_cast<unsigned char>(c);
    if (is_alnum(c) || is_one_of(c, "-._~"))
      out += c;
    else
      out += {'%', kDigits[octet >> 4U], kDigits[octet & 15U]};
  }
  return out;
}

// A macro with its transformers (7.3).
std::string macro_value(const MacroPiece& macro, const MacroValues& values) {
  auto parts = parts_of(values.of(macro.letter), macro.delimiters.empty() ? "." : macro.delimiters);
  if (macro.reverse) std::reverse(parts.begin(), parts.end());
  std::size_t skip =
      macro.parts == 0 || macro.parts >= parts.size() ? 0 : parts.size() - macro.parts;
  std::string out;
  for (std::size_t i = skip; i < parts.size(); ++i) {
    if (i > skip) out += '.';
    out += parts[i];
  }
  return macro.url_escape ? url_escaped(out) : out;
}

std::string piece_value(const MacroPiece& piece, const MacroValues& values) {
  if (piece.kind != MacroPiece::Kind::macro) return std::string(piece.text);
  return macro_value(piece, values);
}

// Whole labels go from the left until the name fits. Empty: not even the last label does.
std::string shortened(std::string name) {
  if (name.size() <= kNameMax) return name;
  std::size_t dot = name.find('.', name.size() - kNameMax - 1);
  return dot == std::string::npos ? std::string() : name.substr(dot + 1);
}

}  // namespace

std::string_view MacroValues::of(char letter) const {
  switch (letter) {
    case 's':
      return sender;
    case 'l':
      return local_part;
    case 'o':
      return sender_domain;
    case 'd':
      return domain;
    case 'i':
      return client;
    case 'c':
      return client_text;
    case 'p':
      return validated;
    case 'v':
      return family;
    case 'h':
      return helo;
    case 'r':
      return receiver;
    case 't':
      return time;
    default:
      return {};
  }
}

std::optional<MacroPiece> MacroReader::fail() {
  failed_ = true;
  rest_ = {};
  return std::nullopt;
}

std::optional<MacroPiece> MacroReader::next() {
  if (rest_.empty()) return std::nullopt;
  MacroPiece piece;
  if (rest_.front() != '%') {
    piece.text = rest_.substr(0, rest_.find('%'));
    rest_.remove_prefix(piece.text.size());
    return piece;
  }
  if (rest_.size() < 2) return fail();
  char what = rest_[1];
  if (what == '{') return read_macro();
  if (!is_one_of(what, "%_-")) return fail();
  piece.kind = MacroPiece::Kind::escape;
  piece.text = what == '%' ? "%" : what == '_' ? " " : "%20";
  rest_.remove_prefix(2);
  return piece;
}

// "%{" letter, digits, "r", delimiters, "}".
std::optional<MacroPiece> MacroReader::read_macro() {
  MacroPiece piece;
  piece.kind = MacroPiece::Kind::macro;
  std::size_t end = rest_.find('}');
  if (end == std::string_view::npos || end < 3) return fail();
  std::string_view inside = rest_.substr(2, end - 2);
  rest_.remove_prefix(end + 1);
  piece.letter = ascii_lower(inside.front());
  piece.url_escape = piece.letter != inside.front();
  if (!is_one_of(piece.letter, kExplanationLetters)) return fail();
  inside.remove_prefix(1);
  bool counted = !inside.empty() && is_digit(inside.front());
  for (; !inside.empty() && is_digit(inside.front()); inside.remove_prefix(1))
    piece.parts =
        std::min(kPartsMax, piece.parts * 10 + static_cast<std::size_t>(inside.front() - '0'));
  if (counted && piece.parts == 0) return fail();  // 7.3: it must not be zero
  if (!inside.empty() && ascii_lower(inside.front()) == 'r') {
    piece.reverse = true;
    inside.remove_prefix(1);
  }
  if (inside.find_first_not_of(kDelimiters) != std::string_view::npos) return fail();
  piece.delimiters = inside;
  return piece;
}

bool is_domain_spec(std::string_view text) {
  auto last = MacroPiece::Kind::literal;
  if (text.empty() || !is_visible(text) || !is_macro_text(text, kDomainLetters, last)) return false;
  if (last != MacroPiece::Kind::literal) return true;
  if (text.back() == '.') text.remove_suffix(1);
  // A dot inside of a macro is followed by its brace, which is in no label.
  std::size_t dot = text.rfind('.');
  return dot != std::string_view::npos && is_toplabel(text.substr(dot + 1));
}

bool is_macro_string(std::string_view text) {
  auto last = MacroPiece::Kind::literal;
  return is_visible(text) && is_macro_text(text, kDomainLetters, last);
}

bool is_explanation(std::string_view text) {
  auto last = MacroPiece::Kind::literal;
  return std::all_of(text.begin(), text.end(), is_printable_ascii) &&
         is_macro_text(text, kExplanationLetters, last);
}

bool needs_validated_name(std::string_view text) {
  MacroReader reader(text);
  while (auto piece = reader.next())
    if (piece->kind == MacroPiece::Kind::macro && piece->letter == 'p') return true;
  return false;
}

// From the right to the left, so that nothing is expanded that would be cut off again.
std::string expand_domain(std::string_view spec, const MacroValues& values) {
  constexpr std::size_t kEnough = kNameMax + 2;  // a final dot, and one octet that is too many
  std::vector<MacroPiece> pieces;
  MacroReader reader(spec);
  while (auto piece = reader.next()) pieces.push_back(*piece);
  std::string name;
  for (auto piece = pieces.rbegin(); piece != pieces.rend() && name.size() < kEnough; ++piece) {
    if (piece->text.size() > kEnough) piece->text.remove_prefix(piece->text.size() - kEnough);
    name.insert(0, piece_value(*piece, values));
  }
  if (!name.empty() && name.back() == '.') name.pop_back();
  return to_lower(shortened(std::move(name)));
}

std::string expand_explanation(std::string_view text, const MacroValues& values) {
  std::string out;
  MacroReader reader(text);
  while (out.size() < kExplanationMax) {
    auto piece = reader.next();
    if (!piece) break;
    piece->text = piece->text.substr(0, kExplanationMax);
    out += piece_value(*piece, values);
  }
  if (out.size() > kExplanationMax) out.resize(kExplanationMax);
  for (char& c : out)
    if (!is_printable_ascii(c)) c = '?';
  return out;
}

}  // namespace postwain::authentication::spf
