// Whether the client is among those that a mechanism names (RFC 7208 5), by what is known of the
// DNS so far.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/authentication/spf/ip_address.h"
#include "common/authentication/spf/lookups.h"
#include "common/authentication/spf/record.h"

namespace postwain::authentication::spf {

enum class Match : std::uint8_t {
  no,
  yes,
  waiting,    // for answers of the DNS: ask again when there are some
  temporary,  // the DNS failed
  too_many,   // more MX records than may be looked at
};

class Matcher {
 public:
  Matcher(const IpAddress& client, Lookups& lookups) : client_(client), lookups_(lookups) {}

  // Any mechanism but "include". target: the name that its domain-spec stands for; one that cannot
  // be looked up matches nothing.
  Match match(const Directive& directive, std::string_view target);

  // What the macro "p" stands for (7.3): a name of the client that leads back to its address, the
  // domain itself or one below it before others; "unknown" where there is none. Nothing: waiting.
  std::optional<std::string> validated_name(std::string_view domain);

  // The last match() found nothing at all (4.6.4): no address of the name, no MX records or no
  // address of their hosts, no name of the client.
  bool was_void() const { return was_void_; }

 private:
  // Whether one of the name's addresses is in the client's network of so many bits.
  Match match_addresses(std::string_view name, const Directive& directive);
  Match match_name(std::string_view name, const Directive& directive);
  Match match_mail_hosts(std::string_view name, const Directive& directive);
  Match match_pointers(std::string_view target);
  Match match_exists(std::string_view name);
  Ask family() const { return client_.is_ipv6() ? Ask::ipv6 : Ask::ipv4; }

  const IpAddress& client_;
  Lookups& lookups_;
  bool was_void_ = false;
};

}  // namespace postwain::authentication::spf
