// What a run of the explorer may do, and which deliberate mistake it makes.
#pragma once

#include <string_view>

#include "tests/cluster_model/state.h"

namespace postwain::cluster_model {

// Each is a way to build the protocol wrongly; each has to make a property fail.
enum class Mistake : Octet {
  none,
  no_fence,               // transactions commit without a look at their token
  fence_without_lock,     // they look at it, and do not lock it until they commit
  no_raise,               // a batch is repeated without raising the own token first
  adopt_before_fence,     // bags are taken from a silent node whose term is not ended yet
  names_unread,           // names that others left are not made into doubts
  lease_before_name,      // an attempt begins before its name is committed
  gate_open,              // an end of data leaves whatever the age of the word
  word_from_answer,       // a word counts from its answer, not from its sending
  word_outlives_silence,  // a word is good for longer than others wait
  silence_while_away,     // silence of others counts while the own beats fail
  wall_clock,             // life is judged by the clocks of two machines
  warning_ignored,        // COMMIT with a warning is taken for COMMIT
  rollback_taken,         // the end of a failed transaction is taken for COMMIT
  early_250,              // 250 is said when the batch is sent
  asynchronous,           // COMMIT is answered before it is kept
  stale_rows,             // rows that were read before a move are believed after it
  former_term_only,       // a registration reads the names of the last term alone
  no_termination,         // sessions of a dead node are left as they are
  old_decisions,          // what a beat has shown is still done after the next one got no answer
  retake_by_count,        // a lane is retaken only under the very token that the node knows
  adoption_in_pieces,     // what takes a bag from another is sent in more than one message
  late_termination,       // they are ended only behind the statement that changes its row
  doubt_taken_for_250,    // 250 is said when the answer is lost, without a look for the message
  doubt_taken_for_451,    // 451 is said then, and the batch counts as not done
  early_name_unsaid,      // what accepts a message does not name the attempt that it is lent for
  early_name_ended,       // an early name is ended although its attempt has begun
};
constexpr unsigned kMistakes = 27;
std::string_view name_of(Mistake mistake);

struct Rules {
  unsigned nodes = 2;
  unsigned messages = 2;
  Budget budget;
  bool first_has_all = false;  // at the start the first node has every bag, else each has its own
  bool early_names = false;    // what accepts a message may name an attempt at it
  // There is one mail: the second message is the first one, which its client sends again because he
  // has heard no 250. A node may give up a doubt, say 451 and end.
  bool client_repeats = false;
  Mistake mistake = Mistake::none;
};

// So many ticks after the last fault every bag has an owner that works: silence, the further
// survivor, and a tick each for ending the term, adopting, and reading the doubts.
constexpr Octet kRestMost = kSilence + 1 + 3;
// So long after a pause, a cut or a start a node's death is not a surprise.
constexpr Octet kExcuse = kSilence + 3;

// What has gone wrong.
enum class Wrong : Octet {
  nothing,
  lost,               // it was promised, is not queued, and the peer never had it
  twice_unmarked,     // two ends of data, neither of whose attempts knew of a doubt
  dead_settled,       // a settlement of a node whose term had been ended
  foreign_write,      // a transaction changed a bag of another node
  late_end,           // an end of data after another node has lent the message, clocks going on
  healthy_fenced,     // a node was fenced that had no fault
  ended_for_nothing,  // a node ended itself though its term had not been ended
  bag_rests,          // a bag has had no owner that works for too long
  refused_and_kept,   // a 451 said that nothing was stored, and the message is there
};
std::string_view name_of(Wrong wrong);

}  // namespace postwain::cluster_model
