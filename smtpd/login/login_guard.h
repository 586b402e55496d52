// Failed logins per client: when an address has failed too often, none of its further attempts is
// looked at until some are forgiven (common/base/rate_table.h). A network is locked out only when
// several of its addresses fail (kNetworkFactor), so one flooder does not keep his neighbours from
// their mail, and who has a whole network guesses a little faster than who has one address.
//
// Who has logged in well from an address lately is not locked out for what others do: that address
// does not share the fate of its network, and the account goes on when others have locked the
// address, with as many failures of its own. All others are told the same there, whatever their
// password, so that nobody learns which accounts those are.
//
// Counts this process only. Pure: time is told.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

#include "common/base/rate_table.h"

namespace postwain::smtpd {

// Which addresses share a network: the /24 of an IPv4 address, the /56 of an IPv6 address.
std::string login_network(const std::string& plain_address);

class LoginGuard {
 public:
  static constexpr std::size_t kAddressesMax = 100'000;
  static constexpr std::size_t kKnownMax = 50'000;    // beyond: the one longest unseen is forgotten
  static constexpr std::uint32_t kNetworkFactor = 4;  // so many times what one address may fail
  static constexpr Duration kKnownFor = std::chrono::hours(24 * 7);

  // One attempt, from its beginning on. An attempt counts as a failure until it has another end, or
  // many at once could guess more than one after the other.
  class Attempt {
   public:
    Attempt() = default;  // without a guard: nobody is locked out
    Attempt(Attempt&& other) noexcept;
    Attempt& operator=(Attempt&& other) noexcept;
    ~Attempt() { give_back(); }

    bool is_refused() const { return standing_ == Standing::refused; }
    // Only accounts that are known there may go on (may_succeed). Failures have to be answered as
    // others are then, or the answer would tell which accounts those are.
    bool is_for_known() const { return standing_ == Standing::for_known; }
    bool may_succeed(const std::string& account, MonoTime now) const;
    // The ends; none of them, and the attempt does not count. The account may be unknown (empty).
    void failed(const std::string& account, MonoTime now);
    void succeeded(const std::string& account, MonoTime now);

   private:
    friend class LoginGuard;
    enum class Standing : std::uint8_t { free, counted, for_known, refused };
    Attempt(LoginGuard* guard, std::string client, Standing standing)
        : guard_(guard), client_(std::move(client)), standing_(standing) {}
    void give_back();

    LoginGuard* guard_ = nullptr;  // which lives longer
    std::string client_;
    Standing standing_ = Standing::free;
  };

  // failures: so many at once, and as many again within each period; 0: no limit.
  LoginGuard(std::uint32_t failures, Duration period)
      : rate_{failures, period},
        of_network_{failures > UINT32_MAX / kNetworkFactor ? UINT32_MAX : failures * kNetworkFactor,
                    period} {}

  // client: plain_address().
  Attempt begin(const std::string& client, MonoTime now);
  std::size_t addresses() const { return addresses_.keys(); }
  std::size_t known() const { return known_.size(); }

 private:
  void learn(const std::string& key, MonoTime now);
  bool knows(const std::string& key, MonoTime now) const;

  Rate rate_;
  Rate of_network_;
  RateTable addresses_{kAddressesMax};
  RateTable networks_{kAddressesMax};
  RateTable accounts_{kKnownMax};  // of known ones at an address that is locked out
  using Seen = std::list<std::pair<std::string, MonoTime>>;  // the one longest unseen first
  Seen seen_;
  std::unordered_map<std::string, Seen::iterator> known_;  // addresses, and accounts at them
};

}  // namespace postwain::smtpd
