// Failed logins per account, wherever they come from: guessing one password from many networks must
// be slow, too. The first failures cost nothing; behind them the answers to further attempts leave
// one after the other, further and further apart, and where too many wait an attempt is not
// answered at all. So nobody learns more than an answer per interval, and its owner is never locked
// out: from networks he has logged in from before he does not wait. Names without an account are
// counted as others are, or the delay would tell. Counts this process only. Pure: time is told.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/base/time.h"

namespace postwain::smtpd {

class AccountGuard {
 public:
  static constexpr std::size_t kAccountsMax =
      20'000;                                 // beyond: the one longest unseen is forgotten
  static constexpr std::uint32_t kFree = 10;  // failures that slow nothing down
  static constexpr Duration kForgiveAfter = std::chrono::minutes(10);  // each
  static constexpr Duration kFirstInterval = std::chrono::milliseconds(200);
  static constexpr Duration kIntervalMax = std::chrono::milliseconds(6400);
  static constexpr Duration kWaitMax = std::chrono::seconds(30);

  // How long the answer to an attempt has to wait; it takes its turn by that. Nothing: too many
  // wait already. network: login_network().
  std::optional<Duration> wait(const std::string& account, const std::string& network,
                               MonoTime now);
  void failed(const std::string& account, MonoTime now);
  void succeeded(const std::string& account, const std::string& network, MonoTime now);
  std::size_t accounts() const { return entries_.size(); }

 private:
  struct Entry {
    std::uint32_t failures = 0;
    MonoTime forgiven_at{};  // up to when failures have been forgiven
    MonoTime next_turn{};
    std::array<std::string, 4> known{};  // networks of successful logins, the newest first
    std::list<std::string>::iterator place{};
  };
  Entry& entry(const std::string& account, MonoTime now);

  std::unordered_map<std::string, Entry> entries_;
  std::list<std::string> seen_;  // the one longest unseen first
};

}  // namespace postwain::smtpd
