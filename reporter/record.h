// The record by which a domain asks for reports: TXT of _smtp._tls.DOMAIN (RFC 8460 3). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::reporter {

constexpr std::size_t kReportUrisMax = 4;  // of one domain; more are passed over

// Where a report goes: an address, or a address on the web.
struct ReportUri {
  enum class Kind : std::uint8_t { mail, web };
  Kind kind = Kind::mail;
  std::string address;  // "tls@example.org"
  std::string host;     // of a web address
  std::uint16_t port = 443;
  std::string path;          // with query
  std::string text() const;  // "mailto:tls@example.org"
  bool operator==(const ReportUri&) const = default;
};

std::optional<ReportUri> parse_place(std::string_view uri);

// Of the one record that begins with "v=TLSRPTv1;". Nothing: the domain wants no reports, which is
// also so when there are two.
std::vector<ReportUri> report_uris(const std::vector<std::string>& texts);

}  // namespace postwain::reporter
