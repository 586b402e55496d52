// What was found out about a record of ours in the DNS, for people and for programs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::tool {

enum class FindingLevel : std::uint8_t {
  ok,
  advice,   // nothing is wrong, and something could be better
  warning,  // some receivers will mind, or it could not be found out
  error,    // mail is lost or refused for it
};
std::string_view name_of(FindingLevel level);

struct DnsFinding {
  std::string about;      // a domain, a host, or an address
  std::string_view what;  // "mx", "spf", "dkim" …: a word of ours
  FindingLevel level = FindingLevel::ok;
  std::string text;       // a sentence; what strangers wrote in it is made printable
  std::string publish{};  // the line of a zone file that would mend it; empty: there is none
};

// Nothing is worse than advice.
inline bool are_good(const std::vector<DnsFinding>& findings) {
  return std::all_of(findings.begin(), findings.end(), [](const DnsFinding& one) {
    return one.level == FindingLevel::ok || one.level == FindingLevel::advice;
  });
}

// A line of a zone file: a TXT record, its text in strings of at most 255 octets (RFC 1035 3.3.14).
std::string text_record_line(std::string_view name, std::string_view text);

}  // namespace postwain::tool
