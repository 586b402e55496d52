// Whether a node's wall clock may be believed. The times of retries, of expiry and of what
// operators ask for lie in the database as each node's own clock has them, so all nodes have to
// agree about the time. Whether a node lives does not depend on it (membership.h). Pure.
#pragma once

#include <cstdint>

#include "common/base/time.h"

namespace postwain::qmgr::cluster {

// More is told to the operator.
constexpr Duration kClockTold = std::chrono::seconds(2);
// With more the node neither takes mail nor sends any.
constexpr Duration kClockMost = std::chrono::seconds(30);

enum class ClockStanding : std::uint8_t { right, differs, wrong };
ClockStanding judge_clock(Duration difference);

// By how much our clock is ahead of the server's at least (below 0: behind), when the server read
// its clock after the moment `asked` of ours and before the moment `answered`. What the way may
// have taken is no difference.
Duration clock_difference(WallTime asked, WallTime server, WallTime answered);

}  // namespace postwain::qmgr::cluster
