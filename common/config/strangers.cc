#include "common/config/table/strangers.h"

#include "common/base/text.h"

namespace postwain::config {

namespace {

// A user's key of a list service: long, and no word.
constexpr std::size_t kKeyLabelMin = 16;

bool looks_like_key(std::string_view label) {
  if (label.size() < kKeyLabelMin) return false;
  bool digit = false;
  for (char c : label) digit = digit || is_digit(c);
  return digit || label.size() >= 2 * kKeyLabelMin;
}

// "2", or two numbers with that between them.
bool add_range(std::string_view text, std::string_view between, std::bitset<256>& out) {
  std::size_t at = text.find(between);
  auto min = parse_decimal<std::uint8_t>(text.substr(0, at));
  auto max = at == std::string_view::npos
                 ? min
                 : parse_decimal<std::uint8_t>(text.substr(at + between.size()));
  if (!min || !max || *min > *max) return false;
  for (unsigned octet = *min; octet <= *max; ++octet) out.set(octet);
  return true;
}

bool add_octets(std::string_view text, std::bitset<256>& out) {
  bool brackets = text.size() > 2 && text.front() == '[' && text.back() == ']';
  if (!brackets) return add_range(text, "-", out);
  for (std::string_view part : split(text.substr(1, text.size() - 2), ';'))
    if (!add_range(part, "..", out)) return false;
  return true;
}

// At dots that are none of "[2..11]".
std::vector<std::string_view> split_octets(std::string_view text) {
  std::vector<std::string_view> out;
  bool inside = false;
  std::size_t begun = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '[') inside = true;
    if (text[at] == ']') inside = false;
    if (text[at] != '.' || inside) continue;
    out.push_back(text.substr(begun, at - begun));
    begun = at + 1;
  }
  out.push_back(text.substr(begun));
  return out;
}

}  // namespace

std::optional<std::uint32_t> ipv4_number(std::string_view text) {
  std::uint32_t out = 0;
  std::vector<std::string_view> parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  for (std::string_view part : parts) {
    auto octet = parse_decimal<std::uint8_t>(part);
    if (!octet) return std::nullopt;
    out = out << 8U | *octet;
  }
  return out;
}

bool AnswerPattern::matches(std::uint32_t address) const {
  if (address < from || address > to) return false;
  for (unsigned i = 0; i < 4; ++i) {
    auto octet = static_cast<std::uint8_t>(address >> (24U - 8U * i));
    if (!octets[i].test(octet)) return false;
  }
  return true;
}

std::optional<AnswerPattern> parse_answer_pattern(std::string_view text) {
  AnswerPattern out;
  std::size_t dash = text.find('-');
  bool of_addresses = dash != std::string_view::npos &&
                      split(text.substr(0, dash), '.').size() == 4 &&
                      split(text.substr(dash + 1), '.').size() == 4;
  if (of_addresses) {
    auto from = ipv4_number(text.substr(0, dash));
    auto to = ipv4_number(text.substr(dash + 1));
    if (!from || !to || *from > *to) return std::nullopt;
    out.from = *from;
    out.to = *to;
    for (auto& octets : out.octets) octets.set();
    return out;
  }
  std::vector<std::string_view> parts = split_octets(text);
  if (parts.size() != 4) return std::nullopt;
  for (std::size_t i = 0; i < 4; ++i)
    if (!add_octets(parts[i], out.octets[i])) return std::nullopt;
  return out;
}

std::string_view name_of(ListKey key) {
  constexpr std::string_view kNames[] = {"address", "ptr", "helo", "sender"};
  return kNames[static_cast<std::size_t>(key)];
}

std::string shown_zone(std::string_view zone) {
  std::string_view shown = zone;
  std::string_view rest = zone;
  while (!rest.empty()) {
    std::size_t dot = rest.find('.');
    std::string_view label = rest.substr(0, dot);
    rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
    if (looks_like_key(label)) shown = rest;
  }
  return std::string(shown.empty() ? std::string_view("list") : shown);
}

}  // namespace postwain::config
