// How much of a message's age counts. Time that nobody of us saw pass does not: while Postwain was
// not running no attempt could succeed, and a clock that was set forward made nothing older. So
// neither a long outage of the machine nor a wrong clock ever bounces mail by itself.
//
// Pure: it is told what the clocks show. Unobserved time is kept as gaps (table clock_gap); a gap
// counts for messages that came in before it began.
#pragma once

#include <optional>
#include <vector>

#include "common/base/time.h"

#include "qmgr/model/message.h"

namespace postwain::qmgr {

constexpr Duration kClockGapMin = std::chrono::minutes(5);  // less is ordinary
constexpr Duration kSetBackMost = std::chrono::hours(24 * 36500);
constexpr std::size_t kClockGapsMax = 64;                      // beyond, the oldest two become one
constexpr Duration kClockHeartbeat = std::chrono::minutes(2);  // last_seen is stored so often

class ObservedTime {
 public:
  ObservedTime() = default;
  explicit ObservedTime(std::vector<ClockGap> gaps);  // in order of their beginning

  struct Start {
    std::optional<ClockGap> gap;  // to be stored
    Duration set_back{};          // the clock shows less than it did: due times may be far away
  };
  // last_seen: zero for a new queue. Gaps that were stored are taken as far as they lie in the
  // past.
  Start start(WallTime last_seen, WallTime now, MonoTime mono);

  // Looked at often (seconds apart).
  struct Look {
    std::optional<ClockGap> gap;
    bool jumped = false;  // in either direction: what is planned in memory is wrong
    Duration by{};
  };
  Look look(WallTime now, MonoTime mono);

  // What does not count of the age of a message.
  Duration unobserved_since(WallTime received_at) const;
  const std::vector<ClockGap>& gaps() const { return gaps_; }

 private:
  void add(ClockGap gap);
  void keep_to_the_past(WallTime now);

  std::vector<ClockGap> gaps_;
  WallTime wall_{};
  MonoTime mono_{};
};

}  // namespace postwain::qmgr
