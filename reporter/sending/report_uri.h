// A place where reports are wanted, as the records of domains name it. Pure; what stands there is a
// stranger's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postwain::reporter {

// Where a report goes: an address, or an address on the web.
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

}  // namespace postwain::reporter
