// Which of the files in the drop folder are looked at next. Whoever fills the folder with his own
// must not keep others' mail from being found, so owners take turns; and what was refused for now
// waits by itself instead of holding up what lies behind it. Pure: time is told.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/time.h"

namespace postwain::tool {

constexpr std::size_t kPickupAtOnce = 100;       // of all owners, in one look
constexpr std::size_t kTurnsOwnersMax = 2'000;   // more have their turn at the next look
constexpr std::size_t kDropRetriesMax = 20'000;  // files whose pause is remembered
constexpr Duration kDropPauseFirst = std::chrono::seconds(10);
constexpr Duration kDropPauseMax = std::chrono::minutes(5);
constexpr std::uint32_t kDropTriesMin = 20;                    // before a file is given up,
constexpr Duration kDropTimeout = std::chrono::hours(5 * 24);  // and it must be so old

class DropTurns {
 public:
  // Files beyond an owner's first kPickupAtOnce are forgotten: they are found again.
  void add(std::uint32_t owner, std::string name);
  // One of each owner, then the second of each, and so on.
  std::vector<std::string> take();

 private:
  std::map<std::uint32_t, std::vector<std::string>> by_owner_;
};

class DropRetries {
 public:
  bool may_try(const std::string& name, MonoTime now) const;
  // It was refused for now. True: it has been so often, and lies there so long, that it is not to
  // be tried again.
  bool refused(const std::string& name, Duration age, MonoTime now);
  void forget(const std::string& name) { waiting_.erase(name); }
  // Files that are no longer there.
  void keep_only_recent(MonoTime now);
  std::size_t size() const { return waiting_.size(); }

 private:
  struct Entry {
    std::uint32_t tries = 0;
    Duration pause = kDropPauseFirst;
    MonoTime next{};
  };
  std::unordered_map<std::string, Entry> waiting_;
};

}  // namespace postwain::tool
