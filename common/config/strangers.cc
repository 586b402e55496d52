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

std::optional<std::uint32_t> parse_address(std::string_view text) {
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

}  // namespace

bool AnswerPattern::matches(std::uint32_t address) const {
  if (address < from || address > to) return false;
  for (unsigned i = 0; i < 4; ++i) {
    auto octet = static_cast<std::uint8_t>(address >> (24U - 8U * i));
    if (octet < octets[i].min || octet > octets[i].max) return false;
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
    auto from = parse_address(text.substr(0, dash));
    auto to = parse_address(text.substr(dash + 1));
    if (!from || !to || *from > *to) return std::nullopt;
    out.from = *from;
    out.to = *to;
    return out;
  }
  std::vector<std::string_view> parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  for (std::size_t i = 0; i < 4; ++i) {
    std::size_t at = parts[i].find('-');
    auto min = parse_decimal<std::uint8_t>(parts[i].substr(0, at));
    auto max =
        at == std::string_view::npos ? min : parse_decimal<std::uint8_t>(parts[i].substr(at + 1));
    if (!min || !max || *min > *max) return std::nullopt;
    out.octets[i] = {*min, *max};
  }
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
