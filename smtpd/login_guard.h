// Failed logins per client network: when too many, no further attempt of that network is looked at
// until some are forgiven (common/base/rate_table.h). Counts this process only. Pure: time is told.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/rate_table.h"

namespace postwain::smtpd {

// Whose failures are counted together: the /24 of an IPv4 address, the /56 of an IPv6 address.
std::string login_network(const std::string& plain_address);

class LoginGuard {
 public:
  static constexpr std::size_t kNetworksMax = 100'000;

  // failures: so many at once, and as many again within each period.
  LoginGuard(std::uint32_t failures, Duration period) : rate_{failures, period} {}

  bool locked(const std::string& network, MonoTime now) const {
    return !table_.has(network, 1, rate_, now);
  }
  void failed(const std::string& network, MonoTime now) { table_.take(network, 1, rate_, now); }
  std::size_t networks() const { return table_.keys(); }

 private:
  Rate rate_;
  RateTable table_{kNetworksMax};
};

}  // namespace postwain::smtpd
