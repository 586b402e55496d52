// Token buckets of accounts (common/base/rate_table.h) that several nodes count together. A table
// that all nodes reach keeps for each account the moment at which its bucket is full again. What is
// counted here counts here at once, and is told to that table afterwards; the answer says what all
// nodes have counted.
//
// Untold counts are kept as time: so much longer the bucket takes to be full. The table knows whole
// milliseconds. What is told is rounded up and the rest carried on, so the table never has less
// than was counted, nor ever more than a millisecond too much.
//
// Pure: time is told. Bounded: counts of accounts_max accounts at a time, and as many untold ones.
// What is owed for no more needs not be told any more, however long it has waited.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/rate_table.h"

namespace postwain::qmgr {

class AccountBuckets {
 public:
  // Who is beyond his limit is asked for again after so long: others may have given back.
  static constexpr Duration kAskAgain = std::chrono::seconds(1);
  // What rounding to milliseconds may cost is not held against an account.
  static constexpr Duration kRounding = std::chrono::milliseconds(2);

  struct News {
    std::string account;
    Duration span{};  // below zero: given back; zero: only the answer is wanted
  };

  explicit AccountBuckets(std::size_t accounts_max)
      : buckets_(accounts_max), accounts_max_(accounts_max) {}

  bool has(const std::string& account, std::uint32_t amount, const Rate& rate, MonoTime now) const;
  void take(const std::string& account, std::uint32_t amount, const Rate& rate, MonoTime now);
  // At most what is owed comes back.
  void give_back(const std::string& account, std::uint32_t amount, const Rate& rate, MonoTime now);
  // A message was beyond the limit.
  void ask(const std::string& account, MonoTime now);

  // Whether anything is to be told. False, as at the beginning: nothing is noted for that.
  void keep_news(bool keep);
  bool has_news() const { return !waiting_.empty(); }
  // What is to be told now, each account once and those first that have waited longest. Each of
  // them has to come back by told() or lost(). Accounts that has_limit() denies are left out.
  std::vector<News> tell(std::size_t most, const std::function<bool(const std::string&)>& has_limit,
                         MonoTime now);
  // ahead: how far the table's moment was ahead of its present before the news moved it. The time
  // of the answer counts as its present, so a slow answer makes nothing faster.
  void told(const News& news, Duration ahead, MonoTime now);
  // Nobody knows whether the table has it: it is told again. So an account may wait longer, by what
  // was told at once, and nothing is forgotten.
  void lost(const News& news, MonoTime now);

 private:
  struct Entry {
    std::chrono::nanoseconds untold{};
    bool waiting = false;  // it stands in waiting_
    std::optional<MonoTime> asked{};
  };
  void note(const std::string& account, std::chrono::nanoseconds time, MonoTime now);
  Entry& entry(const std::string& account, MonoTime now);
  void drop_one();
  void wait(const std::string& account, Entry& entry);
  void forget(MonoTime now);

  RateTable buckets_;
  std::size_t accounts_max_;
  bool keep_ = false;
  std::unordered_map<std::string, Entry> entries_;
  std::deque<std::string> waiting_;
  MonoTime next_forget_{};
};

}  // namespace postwain::qmgr
