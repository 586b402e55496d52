// The lives of the four things on which ownership rests, each as a state and a total function from
// a state and an event to the next state: what does not belong to a state changes nothing and is
// told as not expected, so that no order of answers can lead anywhere else. What is to be done
// stands in the step.
//
//   node     out → live ⇄ unsure → fenced; live → draining → out
//   bag      foreign → unread → open → giving → foreign
//   attempt  picked → naming → named → lent → ended → settling → settled
//   batch    built → sent → committed | refused | in_doubt → retaking → committed | built again |
//   fenced
#pragma once

#include <cstdint>

namespace postwain::qmgr::cluster {

template <class State, class Action>
struct Step {
  State state;
  Action action;
  bool expected = true;
  bool operator==(const Step&) const = default;
};

// A node, as it sees itself.
enum class NodeLife : std::uint8_t { out, registering, live, unsure, draining, fenced };
enum class NodeEvent : std::uint8_t {
  registration_sent,
  registered,
  registration_refused,  // the row beats, on another machine
  registration_lost,     // no answer: it may have happened, and is done again under a further term
  word_came,
  word_too_old,
  drain_wanted,
  drained,
  fence_met,
};
// end_process: the supervisor starts it again, and it registers anew.
enum class NodeAction : std::uint8_t { none, send_registration, refuse_start, end_process, leave };
Step<NodeLife, NodeAction> next(NodeLife state, NodeEvent event);

// A bag, as one node sees it. unread: its own, but the names that former owners left in it are not
// yet marks of doubt, so nothing of it is lent. giving: nothing of it is lent any more, and it goes
// when the attempts that run have ended.
enum class BagLife : std::uint8_t { foreign, unread, open, giving };
enum class BagEvent : std::uint8_t {
  became_own,     // a registration, an adoption, or a beat that was sent after the last move
  doubts_marked,  // the transaction that marks doubts and empties left_by was acknowledged
  give_decided,
  give_abandoned,  // attempts did not end in time
  became_foreign,  // the give was acknowledged, or a beat says so
};
// read_doubts: read what former owners left. start_lending: load the bag's mail. stop_lending: wait
// for the attempts, then give. forget: drop all of it from memory.
enum class BagAction : std::uint8_t { none, read_doubts, start_lending, stop_lending, forget };
Step<BagLife, BagAction> next(BagLife state, BagEvent event);
constexpr bool may_lend(BagLife state) {
  return state == BagLife::open;
}

// One attempt. It is named in the database before an agent gets it, and the name goes when its
// outcome is settled; so what a dead node may have delivered is known.
enum class AttemptLife : std::uint8_t { picked, naming, named, lent, ended, settling, settled };
enum class AttemptEvent : std::uint8_t {
  name_sent,
  name_committed,
  name_refused,
  lease_sent,
  outcome_came,
  settle_sent,
  settle_committed,
  settle_refused,
};
enum class AttemptAction : std::uint8_t { none, send_name, send_lease, await_outcome, settle };
Step<AttemptLife, AttemptAction> next(AttemptLife state, AttemptEvent event);

// A batch: one transaction on the lane. Nothing is concluded from it before it is committed.
enum class BatchLife : std::uint8_t {
  built,
  sent,
  in_doubt,  // it may have happened, and may still happen
  retaking,  // the token is being raised: after that it has happened or never will
  committed,
  refused,
  fenced,
};
enum class BatchEvent : std::uint8_t {
  sent,
  commit_tag,     // COMMIT, without a warning
  commit_warned,  // COMMIT with a warning: it stands on one machine only
  rollback_tag,   // ROLLBACK: an error came before it
  error,          // a value, space, a conflict: whole and for sure not done
  fence_failed,   // the token is not the node's own any more
  connection_lost,
  silent,  // no answer for kBatchSilence
  retake_sent,
  retake_found,    // token raised, and the batch's row is there
  retake_missing,  // token raised, and its row is not there: it never will be
  retake_no_row,   // node, term and token are not there: others ended this term
  retake_lost,     // no answer to the retaking
};
// tell_committed: now 250 may be said, leases sent, outcomes concluded. tell_refused: the batch is
// halved, or its requests are refused. retake: on a new connection. send: the same batch, with the
// same number. end_process: this life is over.
enum class BatchAction : std::uint8_t {
  none,
  await_answer,
  tell_committed,
  tell_refused,
  retake,
  await_retake,
  send,
  end_process,
};
Step<BatchLife, BatchAction> next(BatchLife state, BatchEvent event);

}  // namespace postwain::qmgr::cluster
