// Takes what sendmail left in the drop folder to the queue manager. The files are of any user of
// the machine: names, kinds, links, sizes and contents are looked at as an attacker's.
#pragma once

#include <map>
#include <string>

#include "common/config/config.h"
#include "common/net/loop.h"

namespace postwain::tool {

constexpr Duration kPickupEvery = std::chrono::seconds(2);
constexpr Duration kPickupPause = std::chrono::seconds(10);  // after a refusal for now
constexpr std::size_t kPickupAtOnce = 100;
// Files that were never finished, and those nobody wants, are removed when they are so old.
constexpr Duration kUnfinishedMax = std::chrono::hours(1);
constexpr Duration kRefusedMax = std::chrono::hours(5 * 24);

class Pickup {
 public:
  Pickup(net::Loop& loop, const config::Config& config);
  Pickup(const Pickup&) = delete;
  Pickup& operator=(const Pickup&) = delete;

 private:
  enum class End : std::uint8_t { done, later };

  void look();
  End look_at(int folder, const std::string& name);
  End take(int folder, const std::string& name, int file, std::uint32_t owner);
  void refuse(int folder, const std::string& name, std::uint32_t owner, const std::string& why);
  void remove_if_old(int folder, const std::string& name, Duration age);

  const config::Config& config_;
  net::Timer timer_;
};

}  // namespace postwain::tool
