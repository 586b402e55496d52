// The state machines of the four things on which ownership rests: node, bag, attempt and batch.
// next() takes every pair of state and event. An event that does not belong to a state changes
// nothing and is reported as not expected, so that no order of answers leads to another state. The
// step says what is to be done.
//
//   node     out → registering → live ⇄ unsure → draining → out; each of the last three → fenced
//   bag      foreign → unread → open → giving → foreign
//   attempt  picked → naming → named → lent → ended → settling → settled
//   batch    built → sent → committed | refused | fenced | in_doubt
//            in_doubt → retaking → committed | built | fenced | in_doubt
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
  registration_refused,  // a node of this number lives on another machine
  registration_lost,     // no answer: it may have been committed, and is sent again for a new term
  word_came,
  word_too_old,
  drain_wanted,
  drained,
  fence_met,
};
// end_process: the supervisor starts qmgr again, which then registers for a new term.
enum class NodeAction : std::uint8_t { none, send_registration, refuse_start, end_process, leave };
Step<NodeLife, NodeAction> next(NodeLife state, NodeEvent event);

// A bag, as one node sees it. unread: the node owns it, but the names that former owners left in it
// have not become marks of doubt yet, so nothing of it is lent. giving: nothing of it is lent any
// more, and it goes to its next owner when the attempts that run have ended.
enum class BagLife : std::uint8_t { foreign, unread, open, giving };
enum class BagEvent : std::uint8_t {
  became_own,     // a registration, an adoption, or a beat that was sent after the last move
  doubts_marked,  // the attempts that former owners named are noted as in doubt
  give_decided,
  give_abandoned,  // attempts did not end in time
  became_foreign,  // the give was acknowledged, or a beat says so
};
// read_doubts: mark in doubt what the names of former owners say. start_lending: load the bag's
// mail. stop_lending: wait for the attempts, then give the bag. forget: drop all of it from memory.
enum class BagAction : std::uint8_t { none, read_doubts, start_lending, stop_lending, forget };
Step<BagLife, BagAction> next(BagLife state, BagEvent event);
constexpr bool may_lend(BagLife state) {
  return state == BagLife::open;
}

// One attempt. It is named in the database before an agent gets it, and the name is removed when
// its outcome is settled. So it is known what a dead node may have delivered.
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

// A batch: one transaction on the lane. Nothing follows from it before it is committed.
enum class BatchLife : std::uint8_t {
  built,
  sent,
  in_doubt,  // it may have been committed, and may still be
  retaking,  // the token is being raised: after that the batch is committed or never will be
  committed,
  refused,
  fenced,
};
enum class BatchEvent : std::uint8_t {
  sent,
  commit_tag,     // COMMIT, without a warning
  commit_warned,  // COMMIT with a warning: one machine only has it
  rollback_tag,   // ROLLBACK: an error came before it
  error,          // refused (a value, no space, a conflict): nothing of it was committed
  fence_failed,   // the token is not the node's own any more
  connection_lost,
  silent,  // no answer for too long
  retake_sent,
  retake_found,    // token raised, and the batch's row is there
  retake_missing,  // token raised, and its row is not there: it never will be
  retake_no_row,   // the lane's token is not of this term any more: others ended the term
  retake_lost,     // no answer to the raising of the token
};
// tell_committed: 250 may be said, leases sent and outcomes taken as final. tell_refused: the batch
// is halved, or its requests are refused. retake: raise the token on a new connection, and look for
// the batch's number. send: the same batch again, with the same number. end_process: the term has
// been ended.
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
