// The times by which a cluster of nodes judges life, and what has to hold between them.
#pragma once

#include "common/base/time.h"

namespace postwain::qmgr::cluster {

struct Timing {
  // From one beat to the next, while they are answered.
  Duration beat = std::chrono::milliseconds(500);
  // A word older than this is worth nothing: no lease, no end of data, no admission.
  Duration word_good = std::chrono::seconds(3);
  // Who was silent for so long in another node's own good time is dead.
  Duration silence = std::chrono::seconds(5);
  // The first survivor ends a dead node's term at once, each further one so much later.
  Duration next_survivor = std::chrono::milliseconds(300);
  // An own beat that takes longer than this, from its sending to its answer or from one sending to
  // the next, is no witness against others: the database may have stood still for all.
  Duration prompt = std::chrono::seconds(1);
  // Between two bags that a node gives away because it has too many.
  Duration balance_pause = std::chrono::seconds(5);
  // So long a node is busy before it gives a bag to an idle one.
  Duration busy_long = std::chrono::seconds(10);
};

// How far apart the clocks of two machines may run while the order of things still holds.
constexpr Duration kClockMargin = std::chrono::seconds(1);

// At the moment at which others may end its term, a node's last word has to be worthless already,
// with room for clocks that do not run alike; and several beats have to fit in each of the two.
constexpr bool holds(const Timing& timing, Duration margin) {
  return timing.beat > Duration(0) && timing.word_good + margin <= timing.silence &&
         2 * timing.beat <= timing.word_good && timing.beat <= timing.prompt &&
         timing.prompt < timing.silence;
}
constexpr Timing kTiming;
static_assert(holds(kTiming, kClockMargin));

}  // namespace postwain::qmgr::cluster
