// Where a domain wants reports about its mail (RFC 9989 4.6; RFC 3986): the list that the tags rua
// and ruf of a DMARC record hold. Pure; what stands there is a stranger's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::authentication {

constexpr std::size_t kReportUrisMax = 10;        // of one tag; further ones are not looked at
constexpr std::size_t kReportUriOctetsMax = 512;  // a longer one is none

struct ReportUri {
  std::string uri;      // without the size, as it was written
  std::string address;  // of "mailto:": one address, decoded; of another scheme empty
  // Octets that a report may have ("!10m" of RFC 7489); 0: no limit was given. RFC 9989 tells
  // reporters not to heed it.
  std::uint64_t octets_max = 0;
  bool operator==(const ReportUri&) const = default;
};

// The valid ones of a comma-separated list; the others are left out.
std::vector<ReportUri> parse_report_uris(std::string_view list);

}  // namespace postwain::authentication
