// Failed logins per client network: a token bucket each. Empty: no further attempt of that network
// is looked at until it has filled a little. Counts this process only. Pure: time is told.
//
// The networks it remembers are bounded: full buckets are forgotten, and when kNetworksMax others
// are still known, new ones are not counted until some have filled.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "common/base/time.h"

namespace postwain::smtpd {

// Whose failures are counted together: the /24 of an IPv4 address, the /56 of an IPv6 address.
std::string login_network(const std::string& plain_address);

class LoginGuard {
 public:
  static constexpr std::size_t kNetworksMax = 100'000;

  // failures: so many at once, and as many again within each period.
  LoginGuard(std::uint32_t failures, Duration period) : failures_(failures), period_(period) {}

  bool locked(const std::string& network, MonoTime now) const;
  void failed(const std::string& network, MonoTime now);
  std::size_t networks() const { return buckets_.size(); }

 private:
  struct Bucket {
    double missing = 0;  // failures not yet forgiven
    MonoTime at{};
  };
  double missing(const Bucket& bucket, MonoTime now) const;
  void forget(MonoTime now);

  std::uint32_t failures_;
  Duration period_;
  std::unordered_map<std::string, Bucket> buckets_;
  MonoTime next_forget_{};
};

}  // namespace postwain::smtpd
