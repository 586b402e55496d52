// How many connections a destination needs: pure.
//
// A kept connection carries the next message behind the end of the one before, so several waiting
// attempts are no reason yet to open one connection each. A few open at once; beyond them, more
// open only when an attempt has already waited kGrowthDelay, and then at most twice as many as
// there are.
#pragma once

#include <algorithm>
#include <cstddef>

#include "common/base/time.h"

namespace postwain::agent {

constexpr std::size_t kFreeConnections = 4;
constexpr std::size_t kConnectionsPerDestinationMax = 50;
constexpr Duration kGrowthDelay = std::chrono::milliseconds(5);

struct Load {
  std::size_t waiting = 0;  // attempts without a connection
  std::size_t opening = 0;  // connections not ready yet
  std::size_t live = 0;     // connections that are
  std::size_t limit = kConnectionsPerDestinationMax;
  bool waited = false;  // the oldest waiting attempt has waited kGrowthDelay
};

inline std::size_t connections_to_open(const Load& load) {
  std::size_t have = load.opening + load.live;
  std::size_t want = std::min(load.limit, load.live + load.waiting);
  std::size_t allowed = std::max(kFreeConnections, load.waited ? 2 * load.live : load.live);
  // The first one proves that the destination answers at all.
  if (load.live == 0) allowed = 1;
  want = std::min(want, allowed);
  return want > have ? want - have : 0;
}

}  // namespace postwain::agent
