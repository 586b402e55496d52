// Which steps may be taken in a state.
#include "common/smtp/client/word_gate.h"
#include "tests/cluster_model/model.h"
#include "tests/cluster_model/octets.h"

namespace postwain::cluster_model {

namespace {

using cluster::AttemptLife;
using cluster::BagLife;
using cluster::BatchLife;

// It runs, and the database hears it and is heard.
bool connected(const State& s, const Node& node) {
  return node.power == Power::running && node.cut == 0 && s.away == 0;
}

// Nothing is under way on its lane.
bool lane_free(const Node& node) {
  return node.batch == BatchLife::committed;
}

bool lends(const Node& node) {
  return node.fenced == 0 && node.word_age < kWordGood;
}

// The bag whose rows the transaction holds; kNone for none.
Octet bag_held(const Flight& flight) {
  switch (flight.kind) {
    case Kind::accept:
    case Kind::accept_named:
    case Kind::name:
    case Kind::settle:
      return flight.whom;
    case Kind::open:
    case Kind::give:
    case Kind::adopt:
      return flight.what;
    default:
      return kNone;
  }
}

// Whether one waits for rows that the other, half-way, has locked. Inserted rows block only who
// inserts the same ones.
bool waits_for(const Flight& flight, const Flight& half) {
  if (half.phase != Phase::half || bag_held(half) == kNone) return false;
  bool inserts = accepts(half.kind) || half.kind == Kind::name;
  if (inserts) return flight.kind == half.kind && flight.what == half.what;
  bool touches = flight.kind == Kind::settle || flight.kind == Kind::open ||
                 flight.kind == Kind::give || flight.kind == Kind::adopt;
  return touches && bag_held(flight) == bag_held(half);
}

bool blocked(const State& s, const Flight& flight) {
  // An adoption looks for a node that is gone first; where it finds none it touches no bag.
  bool gone = s.now.node[flight.whom % kMaxNodes].state == 0;
  if (flight.kind == Kind::adopt && !gone) return false;
  for (const Node& node : s.node)
    for (const Flight* other : {&node.flight, &node.old})
      if (other != &flight && waits_for(flight, *other)) return true;
  return false;
}

// The second message comes only when it is the first one again.
bool may_come(const Rules& rules, const State& s, Octet m) {
  return !rules.client_repeats || m == 0 || has(s.refused | s.unheard, m - 1U);
}

bool bag_has_attempt(const State& s, const Node& node, Octet bag) {
  for (unsigned m = 0; m < kMessages; ++m)
    if (node.attempt[m] != 0 && s.now.bag_of[m] == bag) return true;
  return false;
}

}  // namespace

bool Model::lane_locked(const State& s, Octet i) const {
  if (made(Mistake::fence_without_lock)) return false;
  return s.node[i].flight.phase == Phase::checked || s.node[i].old.phase == Phase::checked;
}

// What touches rows of others goes in one message, which the server begins with when it is whole.
bool Model::may_halve(const Flight& flight) const {
  bool one_message = flight.kind == Kind::adopt || flight.kind == Kind::fence;
  return flight.phase == Phase::travelling && (!one_message || made(Mistake::adoption_in_pieces));
}

bool Model::gate_lets(const Node& node) const {
  if (made(Mistake::gate_open)) return true;
  Duration good = (made(Mistake::word_outlives_silence) ? kSilence + 2 : kWordGood) * kTick;
  smtp::GatePage page{smtp::LastWord{kNow - node.word_age * kTick, good}, node.fenced != 0};
  return smtp::gate(page, kNow) == smtp::Gate::open;
}

// A fence ends the sessions of the other first. Where it does not it waits for what they have
// locked: the row of the node, by half a beat, and the lane.
bool Model::commit_allowed(const State& s, const Flight& flight) const {
  if (s.away != 0 || flight.phase != Phase::checked) return false;
  if (flight.kind != Kind::fence) return true;
  bool row_locked = s.node[flight.what].beat == BeatPhase::half;
  if (made(Mistake::late_termination)) return !row_locked;
  return !made(Mistake::no_termination) || (!row_locked && !lane_locked(s, flight.what));
}

void Model::possible(const State& s, std::vector<Action>& out) const {
  out.clear();
  bool urgent = false;
  for (Octet i = 0; i < rules_.nodes; ++i) possible_of_node(s, i, out, urgent);
  if (s.away != 0) {
    out.push_back({Do::back, 0, 0, 0});
  } else if (s.budget.outages > 0) {
    out.push_back({Do::restart, 0, 0, 0});
    out.push_back({Do::fail_over, 0, 0, 0});
  }
  if (!urgent) out.push_back({Do::tick, 0, 0, 0});
}

void Model::possible_of_node(const State& s, Octet i, std::vector<Action>& out,
                             bool& urgent) const {
  const Node& node = s.node[i];
  if (node.power == Power::running) {
    possible_work(s, i, out);
    if (connected(s, node)) possible_moves(s, i, out, urgent);
  }
  possible_beats(s, i, out, urgent);
  possible_lane(s, i, out, urgent);
  possible_faults(s, i, out);
}

// Mail: none of it has to happen within a tick.
void Model::possible_work(const State& s, Octet i, std::vector<Action>& out) const {
  const Node& node = s.node[i];
  for (Octet m = 0; m < rules_.messages; ++m) {
    Octet bag = s.now.bag_of[m];
    bool may_send = connected(s, node) && lane_free(node) && lends(node);
    if (!has(s.submitted, m)) {
      for (Octet b = 0; b < kModelBags && may_send && may_come(rules_, s, m); ++b) {
        if (node.bag[b] != BagLife::open) continue;
        out.push_back({Do::submit, i, m, b});
        if (rules_.early_names) out.push_back({Do::submit_named, i, m, b});
      }
      continue;
    }
    bool open = cluster::may_lend(node.bag[bag]);
    if (node.attempt[m] == 0 && has(node.known, m) && open && may_send)
      out.push_back({made(Mistake::lease_before_name) ? Do::lend : Do::name, i, m, bag});
    if (node.attempt[m] == octet_of(AttemptLife::named))
      out.push_back({open && lends(node) ? Do::lend : Do::drop, i, m, 0});
    bool ends_name =
        node.attempt[m] == octet_of(AttemptLife::named) ||
        (made(Mistake::early_name_ended) && node.attempt[m] == octet_of(AttemptLife::lent));
    if (ends_name && has(node.named_early, m) && connected(s, node) && lane_free(node))
      out.push_back({Do::end_name, i, m, bag});
    if (node.attempt[m] == octet_of(AttemptLife::lent))
      out.push_back({gate_lets(node) ? Do::end_data : Do::drop, i, m, 0});
    if (node.attempt[m] == octet_of(AttemptLife::ended) && connected(s, node) && lane_free(node))
      out.push_back({Do::settle, i, m, bag});
  }
}

void Model::possible_moves(const State& s, Octet i, std::vector<Action>& out, bool& urgent) const {
  const Node& node = s.node[i];
  if (!lane_free(node) || node.fenced != 0) return;
  std::size_t before = out.size();
  for (Octet x = 0; x < rules_.nodes; ++x)
    if (node.want_fence[x] != 0) out.push_back({Do::fence, i, x, 0});
  for (Octet b = 0; b < kModelBags; ++b) {
    if (node.want_adopt[b] != kNone) out.push_back({Do::adopt, i, b, node.want_adopt[b]});
    if (node.bag[b] == BagLife::unread) out.push_back({Do::open, i, b, 0});
  }
  if (out.size() > before) urgent = true;
  for (Octet b = 0; b < kModelBags; ++b)
    if (node.bag[b] == BagLife::giving && node.want_give[b] != kNone &&
        !bag_has_attempt(s, node, b))
      out.push_back({Do::give, i, b, node.want_give[b]});
}

void Model::possible_beats(const State& s, Octet i, std::vector<Action>& out, bool& urgent) const {
  const Node& node = s.node[i];
  if (node.beat == BeatPhase::sent && !connected(s, node) && s.away == 0)
    out.push_back({Do::beat_halve, i, 0, 0});
  if (node.power != Power::running || !connected(s, node)) return;
  if (node.beat == BeatPhase::none && node.beaten == 0) {
    out.push_back({Do::beat, i, 0, 0});
    if (s.budget.slow_beats > 0) out.push_back({Do::beat_send, i, 0, 0});
    urgent = true;
  }
  if (node.beat == BeatPhase::sent || node.beat == BeatPhase::half)
    out.push_back({Do::beat_read, i, 0, 0});
  if (node.beat == BeatPhase::read || node.beat == BeatPhase::refused)
    out.push_back({Do::beat_answer, i, 0, 0});
  if (node.beat != BeatPhase::none) urgent = true;
}

void Model::possible_lane(const State& s, Octet i, std::vector<Action>& out, bool& urgent) const {
  const Node& node = s.node[i];
  bool here = connected(s, node);
  bool answered = node.flight.phase >= Phase::done;
  std::size_t before = out.size();
  if (s.away == 0) {
    bool arrives = node.flight.phase == Phase::travelling || node.flight.phase == Phase::half;
    if (here && arrives && !blocked(s, node.flight) && !lane_locked(s, i))
      out.push_back({Do::arrive, i, 0, 0});
    if (commit_allowed(s, node.flight)) out.push_back({Do::commit, i, 0, 0});
    if (commit_allowed(s, node.old)) out.push_back({Do::old_commit, i, 0, 0});
    if (node.old.phase == Phase::half) out.push_back({Do::old_ends, i, 0, 0});
    if (here && answered) out.push_back({Do::answer, i, 0, 0});
    if (here && node.batch == BatchLife::in_doubt && !lane_locked(s, i))
      out.push_back({Do::retake, i, 0, 0});
    if (here && node.batch == BatchLife::built) out.push_back({Do::arrive, i, 0, 0});
  }
  if (out.size() > before) urgent = true;
  if (rules_.client_repeats && !here && node.power == Power::running &&
      node.batch == BatchLife::in_doubt)
    out.push_back({Do::give_up, i, 0, 0});
  if (s.away != 0) return;
  // What need not happen, or not soon.
  if (!here && node.flight.phase == Phase::travelling) {
    if (!blocked(s, node.flight) && !lane_locked(s, i)) out.push_back({Do::arrive, i, 0, 0});
    if (may_halve(node.flight)) out.push_back({Do::halve, i, 0, 0});
  }
  if (node.old.phase == Phase::travelling) {
    if (!blocked(s, node.old) && !lane_locked(s, i)) out.push_back({Do::old_arrive, i, 0, 0});
    if (may_halve(node.old)) out.push_back({Do::old_halve, i, 0, 0});
    out.push_back({Do::old_ends, i, 0, 0});
  }
  if (s.budget.warnings > 0 && commit_allowed(s, node.flight))
    out.push_back({Do::commit_warned, i, 0, 0});
  if (s.budget.refusals > 0 && commit_allowed(s, node.flight)) out.push_back({Do::refuse, i, 0, 0});
  if (s.budget.losses == 0 || node.power != Power::running) return;
  if (node.flight.phase != Phase::none && node.old.phase == Phase::none)
    out.push_back({Do::lose, i, 0, 0});
  if (here && node.batch == BatchLife::in_doubt && !lane_locked(s, i))
    out.push_back({Do::retake_lost, i, 0, 0});
}

void Model::possible_faults(const State& s, Octet i, std::vector<Action>& out) const {
  const Node& node = s.node[i];
  const Budget& budget = s.budget;
  if (node.power == Power::down) {
    if (s.away == 0 && !lane_locked(s, i)) out.push_back({Do::start, i, 0, 0});
    return;
  }
  if (budget.crashes > 0) out.push_back({Do::crash, i, 0, 0});
  if (node.power == Power::paused) {
    out.push_back({Do::resume, i, 0, 0});
    return;
  }
  if (budget.pauses > 0) out.push_back({Do::pause, i, 0, 0});
  if (budget.freezes > 0) out.push_back({Do::freeze, i, 0, 0});
  if (node.cut != 0) out.push_back({Do::heal, i, 0, 0});
  if (node.cut == 0 && budget.cuts > 0) out.push_back({Do::cut, i, 0, 0});
}

}  // namespace postwain::cluster_model
