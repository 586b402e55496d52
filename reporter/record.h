// The record by which a domain asks for reports: TXT of _smtp._tls.DOMAIN (RFC 8460 3). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::reporter {

constexpr std::size_t kPlacesMax = 4;  // of one domain; more are passed over

// Where a report goes: an address, or a place on the web.
struct Place {
  enum class Kind : std::uint8_t { mail, web };
  Kind kind = Kind::mail;
  std::string address;  // "tls@example.org"
  std::string host;     // of a web place
  std::uint16_t port = 443;
  std::string path;          // with query
  std::string text() const;  // "mailto:tls@example.org"
  bool operator==(const Place&) const = default;
};

std::optional<Place> parse_place(std::string_view uri);

// Of the one record that begins with "v=TLSRPTv1;". Nothing: the domain wants no reports, which is
// also so when there are two.
std::vector<Place> report_places(const std::vector<std::string>& texts);

}  // namespace postwain::reporter
