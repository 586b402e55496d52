// How often something may happen for each of many keys (networks, accounts): a token bucket each,
// which starts full and fills evenly. Pure: time is told.
//
// A bucket is kept as the time at which it will be full again, so the rate may differ from call to
// call (another configuration, an exception for one key). Bounded: full buckets are forgotten once
// a minute, and while keys_max others are known, a new key takes the place of one of a few that is
// nearest to being full, so a table that somebody has filled goes on counting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "common/base/time.h"

namespace postwain {

struct Rate {
  std::uint32_t count = 0;  // at once, and as many again within each period; 0: no limit
  Duration period{};
};

class RateTable {
 public:
  explicit RateTable(std::size_t keys_max) : keys_max_(keys_max) {}

  bool has(const std::string& key, std::uint32_t amount, const Rate& rate, MonoTime now) const;
  // Also when the bucket has less: then it takes longer to fill.
  void take(const std::string& key, std::uint32_t amount, const Rate& rate, MonoTime now);
  void give_back(const std::string& key, std::uint32_t amount, const Rate& rate);
  // How long the bucket takes until it is full; zero: it is, or nothing is known of it.
  std::chrono::nanoseconds owed(const std::string& key, MonoTime now) const;
  // It takes so long, whatever was taken here: somebody knows who has counted more than we have.
  void set_owed(const std::string& key, std::chrono::nanoseconds owed, MonoTime now);
  std::size_t keys() const { return full_at_.size(); }
  // Whether take() would count this key: it is known, or there is place for one more.
  bool counts(const std::string& key, MonoTime now);

 private:
  using FineTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
  void forget(MonoTime now);
  FineTime& bucket(const std::string& key, MonoTime now);  // a new one is full
  void make_room();

  std::size_t keys_max_;
  std::unordered_map<std::string, FineTime> full_at_;
  MonoTime next_forget_{};
  std::size_t next_look_ = 0;  // where among the buckets of the map room was made last
};

}  // namespace postwain
