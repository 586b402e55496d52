// What a node does with answers: of its lane, and of its beats.
#include "qmgr/cluster/membership.h"

#include <algorithm>

#include "tests/cluster_model/model.h"
#include "tests/cluster_model/octets.h"

namespace postwain::cluster_model {

namespace {

using cluster::AttemptLife;
using cluster::BagEvent;
using cluster::BagLife;
using cluster::BatchEvent;
using cluster::BatchLife;
using cluster::BeatEnd;
using cluster::Membership;

// Not in use in any canonical state.
constexpr Octet kFreshBeat = 100;

cluster::BagNumber bag_number(unsigned bag) {
  return {static_cast<Octet>(bag)};
}

Membership member_of(const Node& node, Octet i, unsigned nodes) {
  return Membership({{i}, {node.term}, {}}, model_timing(), memory_of(node, nodes));
}

BatchEvent event_of(Phase phase) {
  switch (phase) {
    case Phase::done:
      return BatchEvent::commit_tag;
    case Phase::warned:
      return BatchEvent::commit_warned;
    case Phase::fence_failed:
      return BatchEvent::fence_failed;
    default:
      return BatchEvent::error;
  }
}

}  // namespace

Wrong Model::answer(State& s, Octet i) const {
  Node& node = s.node[i];
  Phase phase = node.flight.phase;
  node.flight.phase = Phase::none;
  bool kept = phase == Phase::done && !made(Mistake::asynchronous);
  if (kept) s.safe = s.now;
  BatchEvent event = event_of(phase);
  if (phase == Phase::warned && made(Mistake::warning_ignored)) event = BatchEvent::commit_tag;
  if (phase == Phase::fence_failed && made(Mistake::rollback_taken)) event = BatchEvent::commit_tag;
  return take_end(s, i, event);
}

Wrong Model::take_end(State& s, Octet i, BatchEvent event) const {
  Node& node = s.node[i];
  if (accepts(node.flight.kind) && event == BatchEvent::connection_lost) {
    if (made(Mistake::doubt_taken_for_250)) event = BatchEvent::commit_tag;
    if (made(Mistake::doubt_taken_for_451)) event = BatchEvent::error;
  }
  auto step = cluster::next(node.batch, event);
  node.batch = step.state;
  switch (step.action) {
    case cluster::BatchAction::tell_committed:
      told_committed(s, i);
      node.batch = BatchLife::committed;
      break;
    case cluster::BatchAction::tell_refused:
      told_refused(s, i);
      node.batch = BatchLife::committed;
      break;
    case cluster::BatchAction::send:
      // Decisions are not repeated: they were made of what a beat has read, and the next one says
      // whether they still hold.
      if (node.flight.kind == Kind::fence || node.flight.kind == Kind::adopt) {
        told_refused(s, i);
        node.batch = BatchLife::committed;
        break;
      }
      node.batch = cluster::next(node.batch, BatchEvent::sent).state;
      node.flight.phase = Phase::travelling;
      node.flight.token_count = node.token_count;
      break;
    case cluster::BatchAction::end_process:
      return end_process(s, i);
    default:
      break;
  }
  return Wrong::nothing;
}

// The token is raised within the own term, so it does not matter whether the answer to an earlier
// raise was lost.
Wrong Model::retake(State& s, Octet i, bool lost) const {
  Node& node = s.node[i];
  node.batch = cluster::next(node.batch, BatchEvent::retake_sent).state;
  bool own = s.now.token_term[i] == node.term;
  if (made(Mistake::retake_by_count)) own = own && s.now.token_count[i] == node.token_count;
  if (!own) return take_end(s, i, lost ? BatchEvent::retake_lost : BatchEvent::retake_no_row);
  bool raises = !made(Mistake::no_raise);
  if (raises) ++s.now.token_count[i];
  if (lost) return take_end(s, i, BatchEvent::retake_lost);
  node.token_count = s.now.token_count[i];
  if (!made(Mistake::asynchronous)) s.safe = s.now;
  bool found = s.now.last_batch[i] == node.flight.number;
  return take_end(s, i, found ? BatchEvent::retake_found : BatchEvent::retake_missing);
}

void Model::told_committed(State& s, Octet i) const {
  Node& node = s.node[i];
  const Flight flight = node.flight;
  Octet what = flight.what;
  switch (flight.kind) {
    case Kind::accept:
    case Kind::accept_named:
      put(s.promised, what, true);
      if (node.bag[flight.whom] == BagLife::foreign) break;
      put(node.known, what, true);
      if (flight.kind == Kind::accept) break;
      node.attempt[what] = octet_of(AttemptLife::named);
      put(node.named_early, what, true);
      break;
    case Kind::name:
      node.attempt[what] = octet_of(AttemptLife::named);
      break;
    case Kind::settle:
      node.attempt[what] = 0;
      put(node.known, what, false);
      break;
    case Kind::open:
      node.bag[what] = cluster::next(node.bag[what], BagEvent::doubts_marked).state;
      for (unsigned m = 0; m < kMessages; ++m) {
        if (!has(s.now.there, m) || s.now.bag_of[m] != what) continue;
        put(node.known, m, true);
        put(node.knows_doubt, m, has(s.now.doubt, m));
      }
      break;
    case Kind::give:
    case Kind::adopt: {
      bool came = flight.kind == Kind::adopt;
      node.bag[what] =
          cluster::next(node.bag[what], came ? BagEvent::became_own : BagEvent::became_foreign)
              .state;
      if (!came) forget_bag(node, s, what);
      if (made(Mistake::stale_rows)) break;
      Membership member = member_of(node, i, rules_.nodes);
      came ? member.bag_came(bag_number(what)) : member.bag_went(bag_number(what));
      keep_memory(node, member.memory(), rules_.nodes);
      break;
    }
    default:
      break;
  }
}

void Model::told_refused(State& s, Octet i) const {
  Node& node = s.node[i];
  Octet what = node.flight.what;
  if (accepts(node.flight.kind) && rules_.client_repeats) put(s.refused, what, true);
  if (node.flight.kind == Kind::name) node.attempt[what] = 0;
  if (node.flight.kind == Kind::settle) node.attempt[what] = octet_of(AttemptLife::ended);
  if (node.flight.kind != Kind::give) return;
  node.bag[what] = cluster::next(node.bag[what], BagEvent::give_abandoned).state;
  put(node.giving, what, false);
}

void Model::forget_bag(Node& node, const State& s, Octet bag) const {
  node.want_give[bag] = kNone;
  for (unsigned m = 0; m < kMessages; ++m) {
    if (s.now.bag_of[m] != bag) continue;
    put(node.known, m, false);
    put(node.knows_doubt, m, false);
    node.attempt[m] = 0;
    put(node.named_early, m, false);
  }
}

Wrong Model::end_process(State& s, Octet i) const {
  const NodeRecord& row = s.now.node[i];
  bool ended = row.term != s.node[i].term || row.state == 0;
  power_off(s, i);
  return ended || s.failed_over != 0 ? Wrong::nothing : Wrong::ended_for_nothing;
}

void Model::beat_sent(State& s, Octet i) const {
  Node& node = s.node[i];
  Membership member = member_of(node, i, rules_.nodes);
  member.beat_sent(kNow);
  keep_memory(node, member.memory(), rules_.nodes);
  node.step = static_cast<Octet>(std::min<std::int64_t>(member.memory().step / kTick, 2));
  node.beat = BeatPhase::sent;
  node.beaten = 1;
}

void Model::beat_read(State& s, Octet i) const {
  Node& node = s.node[i];
  NodeRecord& row = s.now.node[i];
  bool own = row.term == node.term && row.state != 0;
  node.beat = own ? BeatPhase::read : BeatPhase::refused;
  if (!own) return;
  row.beat = kFreshBeat;
  node.rows = {s.now.node, s.now.owner};
}

Wrong Model::beat_answered(State& s, Octet i) const {
  Node& node = s.node[i];
  std::vector<cluster::NodeRow> nodes;
  std::vector<cluster::BagRow> bags;
  for (Octet x = 0; x < rules_.nodes; ++x) {
    const NodeRecord& row = node.rows.node[x];
    auto state = static_cast<cluster::NodeState>(row.state);
    nodes.push_back({{x}, {row.term}, state, {row.beat}, 1, false, false});
  }
  for (Octet b = 0; b < kModelBags; ++b)
    bags.push_back({{b}, cluster::NodeNumber{node.rows.owner[b]}});
  cluster::BeatReport report;
  report.end = node.beat == BeatPhase::read ? BeatEnd::ok : BeatEnd::fenced;
  report.answered = kNow;
  report.nodes = nodes;
  report.bags = bags;
  auto memory = memory_of(node, rules_.nodes);
  memory.step = node.step * kTick;
  if (report.end == BeatEnd::ok && made(Mistake::wall_clock) && i == 0)
    for (auto& watched : memory.nodes) watched.quiet = kSilence * kTick;
  Membership member({{i}, {node.term}, {}}, model_timing(), memory);
  auto decisions = member.beat_ended(report);
  keep_memory(node, member.memory(), rules_.nodes);
  if (made(Mistake::word_from_answer)) node.word_age = 0;
  node.beat = BeatPhase::none;
  if (report.end == BeatEnd::ok && !made(Mistake::asynchronous)) s.safe = s.now;
  if (node.fenced != 0) return end_process(s, i);
  take_decisions(s, i, decisions);
  return Wrong::nothing;
}

void Model::take_decisions(State& s, Octet i, const cluster::Decisions& decisions) const {
  Node& node = s.node[i];
  node.want_fence = {};
  node.want_adopt.fill(kNone);
  for (const auto& fence : decisions.fence) {
    node.want_fence[fence.node.value] = 1;
    if (!made(Mistake::adopt_before_fence)) continue;
    for (Octet b = 0; b < kModelBags; ++b)
      if (node.rows.owner[b] == fence.node.value) node.want_adopt[b] = fence.node.value;
  }
  for (const auto& adopt : decisions.adopt)
    adopt.bags.for_each([&](cluster::BagNumber b) {
      node.want_adopt[b.value] = adopt.from ? adopt.from->value : kNone;
    });
  for (Octet b = 0; b < kModelBags; ++b) {
    bool own = decisions.own.has({b});
    BagLife was = node.bag[b];
    node.bag[b] = cluster::next(was, own ? BagEvent::became_own : BagEvent::became_foreign).state;
    if (!own && was != BagLife::foreign) forget_bag(node, s, b);
  }
  for (const auto& give : decisions.give) {
    Octet b = give.bag.value;
    auto step = cluster::next(node.bag[b], BagEvent::give_decided);
    node.bag[b] = step.state;
    if (step.expected)
      node.want_give[b] = give.to.value;
    else
      put(node.giving, b, false);
  }
}

// No answer: away.
void Model::beat_lost(State& s, Octet i) const {
  Node& node = s.node[i];
  auto memory = memory_of(node, rules_.nodes);
  Membership member({{i}, {node.term}, {}}, model_timing(), memory);
  member.beat_sent(kNow);
  cluster::BeatReport report;
  report.answered = kNow;
  auto decisions = member.beat_ended(report);
  if (!made(Mistake::old_decisions)) take_decisions(s, i, decisions);
  memory = member.memory();
  if (made(Mistake::silence_while_away)) {
    memory.counting = true;
    for (auto& watched : memory.nodes) watched.quiet += kTick;
  }
  keep_memory(node, memory, rules_.nodes);
}

void Model::power_off(State& s, Octet i) const {
  const Node before = s.node[i];
  Node& node = s.node[i];
  // A client whose message nobody has decided on.
  if (before.batch != BatchLife::committed && accepts(before.flight.kind) && rules_.client_repeats)
    put(s.unheard, before.flight.what, true);
  node = {};
  node.was_frozen = before.was_frozen;
  node.want_adopt.fill(kNone);
  node.want_give.fill(kNone);
  // What was sent may still arrive.
  bool under_way = before.flight.phase != Phase::none && before.flight.phase < Phase::done;
  node.old = under_way ? before.flight : before.old;
  s.excused[i] = kExcuse;
}

}  // namespace postwain::cluster_model
