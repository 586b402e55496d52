// Takes what sendmail left in the drop folder to the queue manager. The files are of any user of
// the machine: names, kinds, links, sizes and contents are looked at as an attacker's. Owners take
// turns (drop_turns.h), whose a message is the kernel says, and what cannot be removed is moved
// aside.
#pragma once

#include <string>

#include <dirent.h>

#include "common/base/rate_table.h"
#include "common/base/result.h"
#include "common/config/config_fwd.h"
#include "common/net/loop.h"
#include "postwain/client/drop_file.h"
#include "postwain/sendmail/drop_turns.h"

struct stat;

namespace postwain::tool {

constexpr Duration kPickupEvery = std::chrono::seconds(2);
constexpr Duration kPickupPause = std::chrono::seconds(10);  // while qmgr cannot be reached
constexpr Duration kTidyEvery = std::chrono::minutes(10);
// Files that were never finished, and those nobody wants, are removed when they are so old.
constexpr Duration kUnfinishedMax = std::chrono::hours(1);
constexpr Duration kRefusedMax = std::chrono::hours(5 * 24);
// Of what is wrong with files; how many lines were left out stands in the next one.
constexpr Rate kDropLines{20, std::chrono::minutes(1)};

// So many ids are tried for a file where other messages have the first ones.
constexpr std::uint64_t kDropIdsTried = 8;

class Pickup {
 public:
  Pickup(net::Loop& loop, const config::Config& config);
  Pickup(const Pickup&) = delete;
  Pickup& operator=(const Pickup&) = delete;

 private:
  enum class End : std::uint8_t { done, unreachable };

  void look();
  bool look_into(int folder);  // false: qmgr cannot be reached
  void collect(DIR* folder, bool tidy);
  End look_at(int folder, const std::string& name);
  End take(int folder, const std::string& name, int file, const struct stat& info);
  // begin: of the content in the file.
  Result<mail::Reply> submit_file(int file, std::size_t begin, const DropHead& head,
                                  const struct stat& info);
  void refused_for_now(int folder, const std::string& name, const struct stat& info,
                       const std::string& reply);
  void refuse(int folder, const std::string& name, std::uint32_t owner, const std::string& why);
  void put_away(int folder, const std::string& name);
  void remove_if_old(int folder, const std::string& name);
  bool may_log();

  const config::Config& config_;
  net::Timer timer_;
  DropTurns turns_;
  DropRetries retries_;
  RateTable lines_{1};
  std::uint64_t lines_left_out_ = 0;
  MonoTime next_tidy_{};
};

}  // namespace postwain::tool
