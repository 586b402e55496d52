#include "postwain/dns_check/dns_finding.h"

#include <cstddef>

#include <fmt/format.h>

#include "common/base/check.h"

namespace postwain::tool {

std::string_view name_of(FindingLevel level) {
  switch (level) {
    case FindingLevel::ok:
      return "ok";
    case FindingLevel::advice:
      return "advice";
    case FindingLevel::warning:
      return "warning";
    case FindingLevel::error:
      return "error";
  }
  PW_CHECK(false);
}

namespace {

// In a string of a zone file these two mean more than themselves (RFC 1035 5.1).
std::string zone_escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

std::string text_record_line(std::string_view name, std::string_view text) {
  constexpr std::size_t kStringMax = 255;
  std::string strings;
  for (std::size_t at = 0; at < text.size() || at == 0; at += kStringMax)
    strings += fmt::format(" \"{}\"", zone_escaped(text.substr(at, kStringMax)));
  return fmt::format("{}. IN TXT{}", name, strings);
}

}  // namespace postwain::tool
