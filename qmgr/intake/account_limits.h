// How much each account may send ([auth] message_rate, recipient_rate and [[auth.account]]), and
// what happens beyond: the message is held for an operator, or refused. qmgr counts, because every
// submission of every smtpd passes here. Pure: time is told.
//
// Only what goes out counts: a flood leaves at its rate and no faster, and one that is held does
// not keep its account shut for ever. Counts begin anew when qmgr starts. At most kAccountsMax
// accounts are counted at a time (common/base/rate_table.h).
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "common/base/rate_table.h"
#include "common/config/table/auth.h"
#include "common/config/table/origin.h"

namespace postwain::qmgr {

class AccountLimits {
 public:
  static constexpr std::size_t kAccountsMax = 100'000;

  enum class Kind : std::uint8_t { pass, hold, refuse };
  struct Verdict {
    Kind kind = Kind::pass;
    std::string reason{};
    config::Origin origin{};  // the limit's
    bool report = false;      // once per account and period
  };

  explicit AccountLimits(const config::Auth& auth) { configure(auth); }
  void configure(const config::Auth& auth);

  // A message of the account; an empty one has no limits. What passes is counted.
  Verdict count(const std::string& account, std::uint32_t recipients, MonoTime now);
  // What was counted did not become a message.
  void give_back(const std::string& account, std::uint32_t recipients);

 private:
  const config::SendingLimit& limit_of(const std::string& account) const;
  bool first_report(const std::string& account, const Rate& rate, MonoTime now);

  config::SendingLimit default_;
  std::unordered_map<std::string, config::SendingLimit> own_;
  RateTable messages_{kAccountsMax};
  RateTable recipients_{kAccountsMax};
  RateTable reports_{kAccountsMax};
};

}  // namespace postwain::qmgr
