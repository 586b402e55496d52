// The times by which a cluster of nodes judges life, and what has to hold between them.
#pragma once

#include "common/base/time.h"

namespace postwain::qmgr::cluster {

struct Timing {
  // From one beat to the next, while they are answered.
  Duration beat = std::chrono::milliseconds(500);
  // A node whose word is older than this lends nothing, sends no end of data and takes no mail.
  Duration word_good = std::chrono::seconds(3);
  // A node is dead when its beat has stood still for so long while the observer's own beats were
  // answered promptly.
  Duration silence = std::chrono::seconds(5);
  // The first survivor ends the term of a dead node at once, each further one so much later than
  // the one before.
  Duration next_survivor = std::chrono::milliseconds(300);
  // The time since a node's last beat counts against others only if that beat was answered, and the
  // next one was sent, within so long. Otherwise the database may have stood still for all nodes.
  Duration prompt = std::chrono::seconds(1);
  // The time between two times at which a node gives bags away because it has too many: half of
  // those, one at least.
  Duration balance_pause = std::chrono::seconds(5);
  // A node gives a bag to an idle node after it has been busy for so long.
  Duration busy_long = std::chrono::seconds(10);
};

// How much the clocks of two machines may differ in what they measure between a word and the end of
// the silence, while a node's word still expires before others may fence it.
constexpr Duration kClockMargin = std::chrono::seconds(1);

// A node's word has to expire before others may end its term, with a margin for clocks that do not
// run alike; and several beats have to fit into each of the two times.
constexpr bool holds(const Timing& timing, Duration margin) {
  return timing.beat > Duration(0) && timing.word_good + margin <= timing.silence &&
         2 * timing.beat <= timing.word_good && timing.beat <= timing.prompt &&
         timing.prompt < timing.silence;
}
constexpr Timing kTiming;
static_assert(holds(kTiming, kClockMargin));

}  // namespace postwain::qmgr::cluster
