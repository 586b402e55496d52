// The steps that lead from one state to the next: of nodes that run the real Membership, lives and
// gate; of the database; and of the faults. Each step is small, so that every other may come
// between.
#pragma once

#include <string>
#include <vector>

#include "qmgr/cluster/membership.h"

#include "tests/cluster_model/rules.h"
#include "tests/cluster_model/state.h"

namespace postwain::cluster_model {

enum class Do : Octet {
  submit,        // a client ends a message at a node, which sends the batch that accepts it
  submit_named,  // the same, and the batch names an attempt at it
  end_name,      // an attempt that was named so has not begun: its name is to go
  name,          // a node sends the batch that names an attempt
  lend,
  end_data,  // the end of data leaves, and the peer has the message
  drop,      // an attempt ends before its end of data, at a gate that is shut or a bag that goes
  settle,
  open,  // read the doubts of a bag that is one's own
  give,
  adopt,
  fence,
  arrive,  // a transaction has arrived whole, and its token is looked at
  halve,   // half of one has arrived, and the rest is stuck
  commit,
  commit_warned,
  refuse,  // it is rolled back
  answer,
  lose,        // the lane's connection breaks
  old_arrive,  // the same for what an old connection still holds
  old_halve,
  old_commit,
  old_ends,  // the server notices that nobody is there
  retake,
  retake_lost,  // the same, and its answer is lost
  give_up,      // the database cannot be reached: the client hears 451, and the process ends
  beat,
  beat_send,
  beat_halve,  // half of it has arrived: the node's row is locked, and the rest is stuck
  beat_read,
  beat_answer,
  crash,
  start,
  pause,
  freeze,  // a pause in which the node's clock stands still
  resume,
  cut,
  heal,
  restart,    // the database goes away and keeps what is visible
  fail_over,  // it goes away, and what nobody was told is gone
  back,
  tick,
};

struct Action {
  Do what = Do::tick;
  Octet node = 0;
  Octet a = 0;
  Octet b = 0;
};

class Model {
 public:
  explicit Model(const Rules& rules) : rules_(rules) {}
  const Rules& rules() const { return rules_; }

  State first() const;
  // Everything that may happen next.
  void possible(const State& state, std::vector<Action>& out) const;
  // Does it. The state is in its canonical form afterwards.
  Wrong apply(State& state, const Action& action) const;
  // In words, as it looks from the state before it.
  static std::string describe(const State& before, const Action& action);

 private:
  bool made(Mistake mistake) const { return rules_.mistake == mistake; }
  // Which steps may be taken (model_possible.cc). Urgent ones come before the next tick.
  void possible_of_node(const State& s, Octet i, std::vector<Action>& out, bool& urgent) const;
  void possible_work(const State& s, Octet i, std::vector<Action>& out) const;
  void possible_moves(const State& s, Octet i, std::vector<Action>& out, bool& urgent) const;
  void possible_beats(const State& s, Octet i, std::vector<Action>& out, bool& urgent) const;
  void possible_lane(const State& s, Octet i, std::vector<Action>& out, bool& urgent) const;
  void possible_faults(const State& s, Octet i, std::vector<Action>& out) const;
  bool lane_locked(const State& s, Octet i) const;
  bool commit_allowed(const State& s, const Flight& flight) const;
  bool may_halve(const Flight& flight) const;
  bool gate_lets(const Node& node) const;

  // What they do (model_apply.cc, model_commit.cc, model_node.cc).
  Wrong apply_work(State& s, const Action& action) const;
  Wrong apply_lane(State& s, const Action& action) const;
  Wrong apply_old(State& s, const Action& action) const;
  Wrong apply_beat(State& s, const Action& action) const;
  Wrong apply_fault(State& s, const Action& action) const;
  void begin(State& s, Octet i, Kind kind, Octet what, Octet whom) const;
  Wrong end_data(State& s, Octet i, Octet m) const;
  void lend(State& s, Octet i, Octet m) const;

  void arrive(State& s, Octet i, Flight& flight) const;
  Wrong commit(State& s, Octet i, Flight& flight) const;
  Wrong commit_mail(State& s, Octet i, const Flight& flight) const;
  Wrong commit_fence(State& s, Flight& flight) const;
  void commit_adopt(State& s, Octet i, Flight& flight) const;
  void mark_doubts(State& s, Octet bag) const;
  void end_sessions(State& s, Octet x) const;

  Wrong answer(State& s, Octet i) const;
  Wrong retake(State& s, Octet i, bool lost) const;
  Wrong take_end(State& s, Octet i, cluster::BatchEvent event) const;
  void told_committed(State& s, Octet i) const;
  void told_refused(State& s, Octet i) const;
  void forget_bag(Node& node, const State& s, Octet bag) const;
  Wrong end_process(State& s, Octet i) const;

  void beat_sent(State& s, Octet i) const;
  void beat_read(State& s, Octet i) const;
  Wrong beat_answered(State& s, Octet i) const;
  void take_decisions(State& s, Octet i, const cluster::Decisions& decisions) const;
  void beat_lost(State& s, Octet i) const;
  void start(State& s, Octet i) const;
  void power_off(State& s, Octet i) const;
  void outage(State& s, bool fail_over) const;
  Wrong tick(State& s) const;

  Rules rules_;
};

// The model's Membership of a node, and back (membership_form.cc).
cluster::Membership::Memory memory_of(const Node& node, unsigned nodes);
void keep_memory(Node& node, const cluster::Membership::Memory& memory, unsigned nodes);

// Beats are numbered anew, and what means nothing any more is made equal.
void make_canonical(State& state, unsigned nodes);

}  // namespace postwain::cluster_model
