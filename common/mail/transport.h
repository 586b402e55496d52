// How a next hop is reached: its hosts, and what the route says of TLS, login, source addresses and
// the way out when nobody there answers. Travels with each lease; attempts with the same transport
// share connections.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/mail/ability.h"
#include "common/mail/next_hop.h"

namespace postwain::mail {

// Which addresses of a host are tried: both in turn, one family only, or one before the other.
enum class Family : std::uint8_t { any, ipv4, ipv6, ipv4_first, ipv6_first };
std::optional<Family> parse_family(std::string_view text);
std::string_view name_of(Family family);

// With what we log in at a next hop (RFC 4954).
struct Credential {
  enum class Kind : std::uint8_t {
    none,
    password,  // secret is it
    command,   // secret is a command whose output is an access token (RFC 6750, RFC 7628)
  };
  Kind kind = Kind::none;
  std::string user;
  std::string secret;
  std::vector<std::string> mechanisms;  // those allowed, upper case; empty: all we have
  bool without_tls = false;             // may be sent in clear
  bool present() const { return kind != Kind::none; }
  bool operator==(const Credential&) const = default;
};

// PEM; both empty: we show none.
struct ClientCertificate {
  std::string chain;
  std::string key;
  bool operator==(const ClientCertificate&) const = default;
};

// What one destination (an MX set, or hosts that a route names) is asked to bear from one source
// address of ours. 0: no limit.
struct Bounds {
  std::uint32_t connections = 0;  // TCP connections at a time
  std::uint32_t in_flight = 0;    // messages on their way over one of them
  std::uint32_t rate_count = 0;   // new connections per rate_period
  Duration rate_period{};
  std::uint32_t route_connections =
      0;                    // at a time, to all destinations of the route, by any source
  std::uint32_t route = 0;  // its number; 0 where route_connections is
  // Somebody has to count connections, over all processes.
  bool counted() const { return connections > 0 || rate_count > 0 || route_connections > 0; }
  bool operator==(const Bounds&) const = default;
};

// Header fields that are taken out of content and put into it as it leaves.
struct FieldChanges {
  std::vector<std::string> removed;  // names, in any letter case
  std::string added;                 // whole fields with their CRLF
  bool empty() const { return removed.empty() && added.empty(); }
  bool operator==(const FieldChanges&) const = default;
};

struct Transport {
  NextHop hop;
  TlsLevel tls = TlsLevel::may;
  // No content leaves before the one ahead of it is answered, so that a connection that breaks
  // leaves one message in doubt.
  bool one_by_one = false;
  bool require_tls = false;          // only to a server that offers REQUIRETLS (RFC 8689)
  std::vector<std::string> sources;  // local addresses to send from; empty: the system decides
  Family family = Family::any;
  AbilitySet avoid;       // what is not used there even where it is offered
  FieldChanges fields;    // of the content as it leaves
  bool xforward = false;  // the hosts of hop are told what client mail came from (XFORWARD)
  bool sign = false;      // with DKIM, where the envelope permits it (Envelope::sign)
  Bounds bounds;
  Credential credential;
  ClientCertificate certificate;
  // Hosts that take the mail when none of hop can be reached; neither login nor the demands of
  // `tls` apply to them, but fallback_tls. Empty: none.
  std::vector<HopHost> fallback;
  TlsLevel fallback_tls = TlsLevel::may;

  // Text that differs where two transports differ; holds secrets.
  std::string key() const;
  bool operator==(const Transport&) const = default;
};

}  // namespace postwain::mail
