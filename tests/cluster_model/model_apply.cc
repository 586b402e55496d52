// What the steps do.
#include <algorithm>

#include "tests/cluster_model/model.h"
#include "tests/cluster_model/octets.h"

namespace postwain::cluster_model {

namespace {

using cluster::AttemptLife;
using cluster::BagLife;
using cluster::BatchLife;

constexpr Octet kBatchNumbers = 3;  // one is under way at a time, so few are enough

void age(Octet& ticks, Octet most) {
  if (ticks < most) ++ticks;
}

void run_down(Octet& ticks) {
  if (ticks > 0) --ticks;
}

}  // namespace

// Each node has its own bag, or the first one has all; everybody has just registered.
State Model::first() const {
  State s;
  for (Octet b = 0; b < kModelBags; ++b)
    s.now.owner[b] = rules_.first_has_all ? 0 : static_cast<Octet>(b % rules_.nodes);
  for (Octet i = 0; i < kMaxNodes; ++i) {
    s.node[i].want_adopt.fill(kNone);
    s.node[i].want_give.fill(kNone);
    if (i < rules_.nodes) start(s, i);
  }
  // Nobody was there before them, so nothing is unread.
  for (Octet b = 0; b < kModelBags; ++b) {
    s.now.left[b] = {};
    s.node[s.now.owner[b]].bag[b] = BagLife::open;
  }
  s.safe = s.now;
  s.budget = rules_.budget;
  make_canonical(s, rules_.nodes);
  return s;
}

Wrong Model::apply(State& s, const Action& action) const {
  Wrong wrong = Wrong::nothing;
  if (action.what <= Do::fence)
    wrong = apply_work(s, action);
  else if (action.what >= Do::old_arrive && action.what <= Do::old_ends)
    wrong = apply_old(s, action);
  else if (action.what <= Do::give_up)
    wrong = apply_lane(s, action);
  else if (action.what <= Do::beat_answer)
    wrong = apply_beat(s, action);
  else
    wrong = apply_fault(s, action);
  make_canonical(s, rules_.nodes);
  if (wrong != Wrong::nothing) return wrong;
  Octet missing = static_cast<Octet>(s.promised & ~s.now.there);
  for (unsigned m = 0; m < kMessages; ++m)
    if (has(missing, m) && s.copies[m] == 0) return Wrong::lost;
  for (unsigned m = 0; m < kMessages; ++m)
    if (has(s.refused, m) && (has(s.now.there, m) || s.copies[m] > 0))
      return Wrong::refused_and_kept;
  return Wrong::nothing;
}

// A transaction is built and sent.
void Model::begin(State& s, Octet i, Kind kind, Octet what, Octet whom) const {
  Node& node = s.node[i];
  node.number = static_cast<Octet>(node.number % kBatchNumbers + 1);
  node.batch = cluster::next(BatchLife::built, cluster::BatchEvent::sent).state;
  node.flight = {};
  node.flight.kind = kind;
  node.flight.phase = Phase::travelling;
  node.flight.what = what;
  node.flight.whom = whom;
  node.flight.number = node.number;
  node.flight.token_term = node.term;
  node.flight.token_count = node.token_count;
  if (kind != Kind::fence) return;
  node.flight.term = node.watched[what].term;
  node.flight.beat = node.watched[what].beat;
}

Wrong Model::apply_work(State& s, const Action& action) const {
  auto [what, i, a, b] = action;
  Node& node = s.node[i];
  switch (what) {
    case Do::submit:
    case Do::submit_named:
      put(s.submitted, a, true);
      if (made(Mistake::early_250)) put(s.promised, a, true);
      s.now.bag_of[a] = b;
      begin(s, i, what == Do::submit ? Kind::accept : Kind::accept_named, a, b);
      break;
    case Do::end_name:
      if (node.attempt[a] == octet_of(AttemptLife::named)) node.attempt[a] = 0;
      put(node.named_early, a, false);
      begin(s, i, Kind::unname, a, b);
      break;
    case Do::name:
      node.attempt[a] = octet_of(AttemptLife::naming);
      begin(s, i, Kind::name, a, b);
      break;
    case Do::lend:
      lend(s, i, a);
      break;
    case Do::end_data:
      return end_data(s, i, a);
    case Do::drop:
      node.attempt[a] = 0;
      put(node.named_early, a, false);
      break;
    case Do::settle:
      node.attempt[a] = octet_of(AttemptLife::settling);
      begin(s, i, Kind::settle, a, b);
      break;
    case Do::open:
    case Do::give:
      begin(s, i, what == Do::open ? Kind::open : Kind::give, a, b);
      break;
    case Do::adopt:
      node.want_adopt[a] = kNone;
      begin(s, i, Kind::adopt, a, b);
      break;
    default:
      node.want_fence[a] = 0;
      begin(s, i, Kind::fence, a, 0);
  }
  return Wrong::nothing;
}

void Model::lend(State& s, Octet i, Octet m) const {
  Node& node = s.node[i];
  node.attempt[m] = octet_of(AttemptLife::lent);
  if (!made(Mistake::early_name_ended)) put(node.named_early, m, false);
  put(node.overtaken, m, false);
  put(node.lent_doubtful, m, has(node.knows_doubt, m));
  // Who lends what is not his any more, because his clock stood still, overtakes nobody.
  if (s.now.owner[s.now.bag_of[m]] != i) return;
  for (Octet other = 0; other < rules_.nodes; ++other)
    if (other != i && s.node[other].attempt[m] == octet_of(AttemptLife::lent))
      put(s.node[other].overtaken, m, true);
}

Wrong Model::end_data(State& s, Octet i, Octet m) const {
  Node& node = s.node[i];
  node.attempt[m] = octet_of(AttemptLife::ended);
  age(s.copies[m], 3);
  bool marked = has(node.lent_doubtful, m);
  bool late = has(node.overtaken, m);
  put(node.lent_doubtful, m, false);
  put(node.overtaken, m, false);
  if (!marked) age(s.unmarked[m], 3);
  if (s.unmarked[m] > 1) return Wrong::twice_unmarked;
  return late && node.was_frozen == 0 ? Wrong::late_end : Wrong::nothing;
}

Wrong Model::apply_lane(State& s, const Action& action) const {
  Octet i = action.node;
  Node& node = s.node[i];
  switch (action.what) {
    case Do::arrive:
      arrive(s, i, node.flight);
      break;
    case Do::halve:
      node.flight.phase = Phase::half;
      break;
    case Do::commit:
      return commit(s, i, node.flight);
    case Do::commit_warned: {
      --s.budget.warnings;
      Wrong wrong = commit(s, i, node.flight);
      if (node.flight.phase == Phase::done) node.flight.phase = Phase::warned;
      return wrong;
    }
    case Do::refuse:
      --s.budget.refusals;
      node.flight.phase = Phase::failed;
      break;
    case Do::answer:
      return answer(s, i);
    case Do::give_up:
      power_off(s, i);
      break;
    case Do::lose:
      --s.budget.losses;
      if (node.flight.phase < Phase::done) node.old = node.flight;
      node.flight.phase = Phase::none;
      return take_end(s, i, cluster::BatchEvent::connection_lost);
    case Do::retake:
      return retake(s, i, false);
    default:
      --s.budget.losses;
      return retake(s, i, true);
  }
  return Wrong::nothing;
}

// What a connection that its node has lost still holds.
Wrong Model::apply_old(State& s, const Action& action) const {
  Octet i = action.node;
  Flight& old = s.node[i].old;
  if (action.what == Do::old_arrive) {
    arrive(s, i, old);
    if (old.phase != Phase::checked) old = {};
    return Wrong::nothing;
  }
  if (action.what == Do::old_halve) {
    old.phase = Phase::half;
    return Wrong::nothing;
  }
  Wrong wrong = action.what == Do::old_commit ? commit(s, i, old) : Wrong::nothing;
  old = {};
  return wrong;
}

Wrong Model::apply_beat(State& s, const Action& action) const {
  Octet i = action.node;
  switch (action.what) {
    case Do::beat:
      beat_sent(s, i);
      beat_read(s, i);
      return beat_answered(s, i);
    case Do::beat_send:
      --s.budget.slow_beats;
      beat_sent(s, i);
      return Wrong::nothing;
    case Do::beat_halve:
      s.node[i].beat = BeatPhase::half;
      return Wrong::nothing;
    case Do::beat_read:
      beat_read(s, i);
      return Wrong::nothing;
    default:
      return beat_answered(s, i);
  }
}

// Who breaks down, comes back or is cut off has an excuse for a while, and so have its bags.
Wrong Model::apply_fault(State& s, const Action& action) const {
  Octet i = action.node;
  Node& node = s.node[i];
  if (action.what == Do::tick) return tick(s);
  s.resting = {};
  if (action.what < Do::restart) s.excused[i] = kExcuse;
  switch (action.what) {
    case Do::crash:
      --s.budget.crashes;
      power_off(s, i);
      break;
    case Do::start:
      start(s, i);
      break;
    case Do::pause:
    case Do::freeze:
      node.power = Power::paused;
      node.frozen = action.what == Do::freeze ? 1 : 0;
      if (node.frozen != 0) node.was_frozen = 1;
      --(node.frozen != 0 ? s.budget.freezes : s.budget.pauses);
      break;
    case Do::resume:
      node.power = Power::running;
      node.frozen = 0;
      break;
    case Do::cut:
      --s.budget.cuts;
      node.cut = 1;
      break;
    case Do::heal:
      node.cut = 0;
      break;
    case Do::back:
      s.away = 0;
      break;
    default:
      --s.budget.outages;
      outage(s, action.what == Do::fail_over);
  }
  return Wrong::nothing;
}

Wrong Model::tick(State& s) const {
  bool somebody = false;
  std::array<bool, kModelBags> works{};
  for (Octet i = 0; i < rules_.nodes; ++i) {
    Node& node = s.node[i];
    bool well = node.power == Power::running && node.cut == 0 && s.away == 0;
    somebody = somebody || well;
    for (Octet b = 0; b < kModelBags; ++b) {
      bool open = node.bag[b] == BagLife::open || node.bag[b] == BagLife::giving;
      if (well && s.now.owner[b] == i && open) works[b] = true;
    }
    if (node.power == Power::running && node.cut == 0)
      run_down(s.excused[i]);
    else
      s.excused[i] = kExcuse;
    if (node.power == Power::running && node.beaten == 0) beat_lost(s, i);
    node.beaten = 0;
    if (node.power == Power::down || node.frozen != 0) continue;
    age(node.word_age, kSilence + 2);
    age(node.since_sent, 2);
    run_down(node.next_give);
  }
  for (Octet b = 0; b < kModelBags; ++b) {
    if (works[b] || !somebody)
      s.resting[b] = 0;
    else
      age(s.resting[b], 200);
    if (s.resting[b] > kRestMost) return Wrong::bag_rests;
  }
  return Wrong::nothing;
}

}  // namespace postwain::cluster_model
