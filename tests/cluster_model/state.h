// One state of the model: a database, its nodes, the peer and the clients, and the faults that may
// still happen. Octets only, so that a state can be hashed and compared as it lies in memory. All
// times are ages in ticks, and all beats are numbered anew in each state, so that the number of
// states is finite.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "qmgr/cluster/lives.h"
#include "qmgr/cluster/timing.h"
#include "qmgr/cluster/values.h"

namespace postwain::cluster_model {

namespace cluster = qmgr::cluster;
using Octet = std::uint8_t;

constexpr unsigned kMaxNodes = 3;
constexpr unsigned kModelBags = 2;
constexpr unsigned kMessages = 2;
constexpr unsigned kMaxTerms = 12;
constexpr Octet kNone = 0xff;

// A tick is the time of one beat; the other times are scaled to keep states few, and keep the order
// that the real ones have.
constexpr Duration kTick = std::chrono::seconds(1);
// What the clock of every node shows in every state, since states have ages only.
constexpr cluster::BootTime kNow{1000 * kTick};
constexpr Octet kWordGood = 2;
constexpr Octet kSilence = 3;
constexpr cluster::Timing model_timing() {
  cluster::Timing timing;
  timing.beat = kTick;
  timing.word_good = kWordGood * kTick;
  timing.silence = kSilence * kTick;
  timing.next_survivor = kTick;
  timing.prompt = kTick;
  timing.balance_pause = 2 * kTick;
  timing.busy_long = 100 * kTick;
  return timing;
}
static_assert(cluster::holds(model_timing(), kTick));

// What a transaction does. One thing at a time.
// accept_named: what accepts a message names an attempt at it, too, so that it can be lent at once.
// unname: an attempt that was named so and did not begin has no name any more.
enum class Kind : Octet {
  none,
  accept,
  accept_named,
  name,
  unname,
  settle,
  open,
  give,
  adopt,
  fence
};
constexpr bool accepts(Kind kind) {
  return kind == Kind::accept || kind == Kind::accept_named;
}

// Where a transaction is. travelling: sent, not all of it has arrived. half: the server has the
// first half, holds the locks of its rows, and waits. checked: its token was found right, and the
// lane is locked. done: committed, the answer is under way. warned: the same, with a warning.
// failed: rolled back for its token or for a condition; the answer is under way.
enum class Phase : Octet { none, travelling, half, checked, done, warned, fence_failed, failed };

struct Flight {
  Kind kind = Kind::none;
  Phase phase = Phase::none;
  Octet what = 0;    // message, bag, or node
  Octet whom = 0;    // bag of the message; node that gets or had the bag
  Octet term = 0;    // for fence: which term is to be ended
  Octet beat = 0;    // for fence: of which beat
  Octet number = 0;  // the batch's number; 0 where it needs none
  Octet token_term = 0;
  Octet token_count = 0;
  bool operator==(const Flight&) const = default;
};

struct NodeRecord {
  Octet term = 0;
  Octet state = 0;  // NodeState
  Octet beat = 0;
  bool operator==(const NodeRecord&) const = default;
};

struct Database {
  std::array<NodeRecord, kMaxNodes> node{};
  // The token: the term that it belongs to, and how often it was raised within it.
  std::array<Octet, kMaxNodes> token_term{};
  std::array<Octet, kMaxNodes> token_count{};
  std::array<Octet, kMaxNodes> last_batch{};  // the row that proves the last numbered batch
  std::array<Octet, kModelBags> owner{};
  // left_by: names of that node under terms below this one are unread. 0: nothing.
  std::array<std::array<Octet, kMaxNodes>, kModelBags> left{};
  std::array<std::array<Octet, kMaxTerms>, kMaxNodes> named{};  // sets of messages
  Octet there = 0;                                              // set of messages
  Octet doubt = 0;
  std::array<Octet, kMessages> bag_of{};
};

struct Watched {
  Octet term = 0;
  Octet beat = 0;
  Octet quiet = 0;
  Octet seen = 0;
};

// The rows that a beat has read, until they arrive.
struct Rows {
  std::array<NodeRecord, kMaxNodes> node{};
  std::array<Octet, kModelBags> owner{};
};

enum class Power : Octet { down, running, paused };
enum class BeatPhase : Octet { none, sent, half, read, refused };

struct Node {
  Power power = Power::down;
  Octet frozen = 0;      // its clock stands still while it is paused
  Octet was_frozen = 0;  // it ever did
  Octet cut = 0;         // its answers do not arrive
  Octet term = 0;
  Octet token_count = 0;
  // The memory of its Membership.
  Octet word_age = 0;
  Octet since_sent = 0;
  Octet counting = 0;
  Octet fenced = 0;
  Octet held = 0;
  Octet moved = 0;
  Octet giving = 0;
  Octet next_give = 0;
  std::array<Watched, kMaxNodes> watched{};
  // Its beat.
  BeatPhase beat = BeatPhase::none;
  Octet beaten = 0;  // in this tick
  Octet step = 0;    // from the sending of the beat before
  Rows rows;
  // What it has decided and not begun.
  std::array<Octet, kMaxNodes> want_fence{};
  std::array<Octet, kModelBags> want_adopt{};  // from whom
  std::array<Octet, kModelBags> want_give{};   // to whom
  // Its part of the queue.
  std::array<cluster::BagLife, kModelBags> bag{};
  Octet known = 0;  // messages of its bags
  Octet knows_doubt = 0;
  std::array<Octet, kMessages> attempt{};  // 0: none; else AttemptLife + 1
  Octet named_early = 0;  // of the attempts that are named: by what accepted their messages
  Octet lent_doubtful = 0;
  Octet overtaken = 0;  // another node has lent that message since this one did
  // Its lane: the transaction under way, and what an old connection still holds.
  cluster::BatchLife batch = cluster::BatchLife::committed;
  Octet number = 0;
  Flight flight;
  Flight old;
};

struct Budget {
  Octet crashes = 0;
  Octet pauses = 0;
  Octet freezes = 0;
  Octet outages = 0;  // of the database: restarts and failovers
  Octet losses = 0;   // of a lane's connection
  Octet warnings = 0;
  Octet cuts = 0;
  Octet slow_beats = 0;  // beats whose sending, reading and answer are steps of their own
  Octet refusals = 0;    // transactions that the database rolls back, as for want of space
};

struct State {
  Database now;   // what is visible
  Database safe;  // what was promised to be kept; a failover goes back to it
  std::array<Node, kMaxNodes> node{};
  Budget budget;
  Octet away = 0;  // the database answers nobody
  Octet failed_over = 0;
  Octet submitted = 0;
  Octet promised = 0;                       // messages that were answered with 250
  Octet refused = 0;                        // with 451, and it is known that they are not stored
  Octet unheard = 0;                        // their clients heard nothing, or a 451 in doubt
  std::array<Octet, kMessages> copies{};    // at the peer
  std::array<Octet, kMessages> unmarked{};  // of these, by attempts that knew of no doubt
  std::array<Octet, kModelBags> resting{};  // ticks without an owner that works
  std::array<Octet, kMaxNodes> excused{};   // ticks for which its death is explained
};
static_assert(std::has_unique_object_representations_v<State>);

}  // namespace postwain::cluster_model
