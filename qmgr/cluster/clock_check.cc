#include "qmgr/cluster/clock_check.h"

namespace postwain::qmgr::cluster {

ClockStanding judge_clock(Duration difference) {
  const Duration off = std::chrono::abs(difference);
  if (off > kClockMost) return ClockStanding::wrong;
  return off > kClockTold ? ClockStanding::differs : ClockStanding::right;
}

Duration clock_difference(WallTime asked, WallTime server, WallTime answered) {
  if (asked > server) return std::chrono::duration_cast<Duration>(asked - server);
  if (answered < server) return std::chrono::duration_cast<Duration>(answered - server);
  return Duration(0);
}

}  // namespace postwain::qmgr::cluster
