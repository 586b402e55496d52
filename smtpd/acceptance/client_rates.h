// How much one client network may do in a time ([limits] client_connections, client_messages,
// client_recipients). Trusted clients and accounts are not asked about. Counts this process only:
// each smtpd has its share of each rate (share_of). Pure: time is told.
#pragma once

#include <optional>
#include <string>

#include "common/base/rate_table.h"
#include "common/config/table/limits.h"
#include "common/mail/reply.h"

namespace postwain::smtpd {

class ClientRates {
 public:
  static constexpr std::size_t kNetworksMax = 100'000;
  // An IPv6 site (client_site) may do so many times what one of its networks may.
  static constexpr std::uint32_t kSiteFactor = 4;

  ClientRates(const config::Limits& limits, std::uint32_t workers);

  // Counts one, or tells why not. client: client_key(); an empty one (Unix socket) has no limits.
  std::optional<mail::Reply> connection(const std::string& client, MonoTime now);
  std::optional<mail::Reply> message(const std::string& client, MonoTime now);
  std::optional<mail::Reply> recipient(const std::string& client, MonoTime now);

 private:
  struct Counted {
    Rate rate;
    RateTable table{kNetworksMax};
  };
  bool take(Counted& counted, const std::string& client, MonoTime now) const;

  std::uint32_t ipv4_prefix_;
  Counted connections_;
  Counted messages_;
  Counted recipients_;
};

// "192.0.2.77" of 24 bits -> "192.0.2.0/24"; anything else, and 32 bits, as it is.
std::string ipv4_network(const std::string& client, std::uint32_t prefix);

}  // namespace postwain::smtpd
