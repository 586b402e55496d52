// Where a recipient goes next: the value of a route's `deliver` key, parsed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::mail {

constexpr std::uint16_t kHostWeightMax = 1000;

// discard: what goes there is thrown away, on purpose; no agent ever hears of it.
enum class HopKind : std::uint8_t { mx, smtp, lmtp, discard };

struct HopHost {
  std::string host;  // name or address without brackets; empty for a Unix socket
  std::uint16_t port = 0;
  bool literal = false;       // host is an IP address
  std::string unix_path;      // LMTP over a Unix socket
  std::uint16_t weight = 0;   // its share of connections; 0: the hosts are taken in order
  bool implicit_tls = false;  // TLS from the first byte (RFC 8314 3.3): "smtps:"; of all or none
  bool operator==(const HopHost&) const = default;
};

// mx: the recipient's domain decides (domain is set when a recipient is routed). smtp, lmtp: hosts
// in this order.
struct NextHop {
  HopKind kind = HopKind::mx;
  std::string domain;          // mx only: lower case
  std::vector<HopHost> hosts;  // smtp, lmtp

  // "mx", "smtp:relay.example.org:587", "smtp:[192.0.2.1]:25,b.example:25",
  // "lmtp:unix:/run/dovecot/lmtp", "discard", "smtps:relay.example.org:465" (TLS from the first
  // byte; 465 where no port is given). By weight: "smtp:a.example:587/3,b.example:587/1", every
  // host.
  static std::optional<NextHop> parse(std::string_view text, std::string* why_not = nullptr);
  // Stable text: key of the destination in scheduler, pool and store: "mx:example.org",
  // "lmtp:unix:/run/x".
  std::string key() const;
  bool weighted() const { return !hosts.empty() && hosts.front().weight > 0; }
  bool implicit_tls() const { return !hosts.empty() && hosts.front().implicit_tls; }
  bool operator==(const NextHop&) const = default;
};

// In the order of what they demand. policy: what the receiving side asks for (DANE, RFC 7672;
// MTA-STS, RFC 8461), else may. proven: the peer must show who it is, by DANE or by its
// certificate, and the way to its name must be proven, too (REQUIRETLS, RFC 8689 4.2.1); no route
// says so.
enum class TlsLevel : std::uint8_t { off, may, policy, encrypt, proven, verify, dane };
constexpr TlsLevel kTlsLevelLast = TlsLevel::dane;
std::optional<TlsLevel> parse_tls_level(std::string_view text);
std::string_view name_of(TlsLevel level);

}  // namespace postwain::mail
