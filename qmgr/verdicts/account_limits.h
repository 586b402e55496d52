// How much each account may send ([auth] message_rate, recipient_rate and [[auth.account]]), and
// what happens beyond: the message is held for an operator, or refused. qmgr counts, because every
// submission of every smtpd passes here. Pure: time is told.
//
// Only what goes out counts: a flood leaves at its rate and no faster, and one that is held does
// not keep its account shut for ever. Counts begin anew when qmgr starts. At most kAccountsMax
// accounts are counted at a time (common/base/rate_table.h).
//
// Over several nodes the limits hold together (qmgr/nodes/shared_accounts.h): each judges at once
// by what it knows, tells what it has counted, and hears what all have. So an account may exceed a
// limit by what arrives at other nodes before they hear of each other. That is made up for: what
// was counted stays counted.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/rate_table.h"
#include "common/config/table/auth.h"
#include "common/config/table/origin.h"

#include "qmgr/verdicts/account_buckets.h"

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
  void give_back(const std::string& account, std::uint32_t recipients, MonoTime now);

  // --- counts over several nodes

  enum class Counted : std::uint8_t { messages, recipients };
  // What the table of all nodes is told of one account: the moment at which its bucket is full
  // again moves by `span`, back where that is below zero. It counts as no further ahead than `most`
  // before.
  struct News {
    Counted counted = Counted::messages;
    AccountBuckets::News of;
    Duration most{};
  };
  // From now on counts are noted to be told; called by count() and give_back() when there are any.
  // Nothing: nobody hears them. What was counted before is never told.
  void tell_to(std::function<void()> on_news);
  // At most so many. told() or lost() comes before it is called again.
  std::vector<News> tell(std::size_t most, MonoTime now);
  // For each of them, in their order: how far the moment was ahead before it moved. The numbers are
  // another one's: they are bounded.
  void told(std::span<const Duration> ahead, MonoTime now);
  // Nobody knows what the table has of it: it is told again.
  void lost(MonoTime now);

 private:
  const config::SendingLimit& limit_of(const std::string& account) const;
  const Rate& rate_of(const std::string& account, Counted counted) const;
  AccountBuckets& buckets_of(Counted counted);
  void add_news(Counted counted, std::size_t most, MonoTime now);
  bool first_report(const std::string& account, const Rate& rate, MonoTime now);
  void say_news() const;

  config::SendingLimit default_;
  std::unordered_map<std::string, config::SendingLimit> own_;
  AccountBuckets messages_{kAccountsMax};
  AccountBuckets recipients_{kAccountsMax};
  RateTable reports_{kAccountsMax};
  std::function<void()> on_news_;
  std::vector<News> telling_;
};

}  // namespace postwain::qmgr
