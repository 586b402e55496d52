// Where a recipient goes next: the value of a route's `deliver` key, parsed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::mail {

enum class HopKind : std::uint8_t { mx, smtp, lmtp };

struct HopHost {
  std::string host;  // name or address without brackets; empty for a Unix socket
  std::uint16_t port = 0;
  bool literal = false;   // host is an IP address
  std::string unix_path;  // LMTP over a Unix socket
  bool operator==(const HopHost&) const = default;
};

// mx: the recipient's domain decides (domain is set when a recipient is routed). smtp, lmtp: hosts
// in this order.
struct NextHop {
  HopKind kind = HopKind::mx;
  std::string domain;          // mx only: lower case
  std::vector<HopHost> hosts;  // smtp, lmtp

  // "mx", "smtp:relay.example.org:587", "smtp:[192.0.2.1]:25,b.example:25",
  // "lmtp:unix:/run/dovecot/lmtp".
  static std::optional<NextHop> parse(std::string_view text, std::string* why_not = nullptr);
  // Stable text: key of the destination in scheduler, pool and store: "mx:example.org",
  // "lmtp:unix:/run/x".
  std::string key() const;
  bool operator==(const NextHop&) const = default;
};

// In the order of what they demand. policy: what the receiving side asks for (DANE, RFC 7672), else
// may.
enum class TlsLevel : std::uint8_t { off, may, policy, encrypt, verify, dane };
std::optional<TlsLevel> parse_tls_level(std::string_view text);
std::string_view name_of(TlsLevel level);

}  // namespace postwain::mail
