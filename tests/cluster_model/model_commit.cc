// What the database does with transactions.
#include "tests/cluster_model/model.h"
#include "tests/cluster_model/octets.h"

namespace postwain::cluster_model {

namespace {

using cluster::NodeState;

constexpr Octet kGone = static_cast<Octet>(NodeState::gone);
constexpr Octet kLive = static_cast<Octet>(NodeState::live);

bool token_right(const Database& db, Octet i, const Flight& flight) {
  return db.token_term[i] == flight.token_term && db.token_count[i] == flight.token_count;
}

// Names under terms that nothing refers to any more go.
void clean_names(Database& db, Octet x) {
  Octet unread = db.node[x].term;
  for (unsigned b = 0; b < kModelBags; ++b) {
    // Bags of a node that is gone have not been adopted: its last names are still to be read.
    if (db.left[b][x] != 0 || (db.owner[b] == x && db.node[x].state == kGone)) return;
  }
  for (Octet t = 0; t < unread; ++t) db.named[x][t] = 0;
}

// The connection of a beat is lost: it ended away.
void break_beat(Node& node) {
  node.beat = BeatPhase::none;
  node.counting = 0;
  node.want_fence = {};
  node.want_adopt.fill(kNone);
}

}  // namespace

// The whole transaction has arrived; its last statement looks at the token and locks the lane.
void Model::arrive(State& s, Octet i, Flight& flight) const {
  bool right = made(Mistake::no_fence) || token_right(s.now, i, flight);
  flight.phase = right ? Phase::checked : Phase::fence_failed;
}

Wrong Model::commit(State& s, Octet i, Flight& flight) const {
  flight.phase = Phase::done;
  // The primary key of the batch's row keeps one number from committing twice.
  bool numbered = s.now.node[i].term == flight.token_term && flight.number != 0;
  if (numbered && s.now.last_batch[i] == flight.number) {
    flight.phase = Phase::failed;
    return Wrong::nothing;
  }
  Wrong wrong = Wrong::nothing;
  switch (flight.kind) {
    case Kind::fence:
      wrong = commit_fence(s, flight);
      break;
    case Kind::adopt:
      commit_adopt(s, i, flight);
      break;
    default:
      wrong = commit_mail(s, i, flight);
  }
  if (numbered && flight.phase == Phase::done) s.now.last_batch[i] = flight.number;
  return wrong;
}

// A transaction that touches rows of its node's own bags only.
Wrong Model::commit_mail(State& s, Octet i, const Flight& flight) const {
  Database& db = s.now;
  bool moves = flight.kind == Kind::open || flight.kind == Kind::give;
  Octet bag = moves ? flight.what : flight.whom;
  bool own = db.owner[bag] == i;
  bool alive = db.node[i].term == flight.token_term && db.node[i].state != kGone;
  switch (flight.kind) {
    case Kind::accept:
      put(db.there, flight.what, true);
      db.bag_of[flight.what] = bag;
      break;
    case Kind::accept_named:
      put(db.there, flight.what, true);
      db.bag_of[flight.what] = bag;
      if (!made(Mistake::early_name_unsaid)) put(db.named[i][flight.token_term], flight.what, true);
      break;
    case Kind::name:
    case Kind::unname:
      put(db.named[i][flight.token_term], flight.what, flight.kind == Kind::name);
      break;
    case Kind::settle:
      put(db.there, flight.what, false);
      put(db.doubt, flight.what, false);
      put(db.named[i][flight.token_term], flight.what, false);
      if (!alive) return Wrong::dead_settled;
      break;
    case Kind::open:
      mark_doubts(s, bag);
      break;
    default:
      db.owner[bag] = flight.whom;
  }
  return own ? Wrong::nothing : Wrong::foreign_write;
}

void Model::mark_doubts(State& s, Octet bag) const {
  Database& db = s.now;
  for (Octet x = 0; x < rules_.nodes; ++x) {
    Octet below = db.left[bag][x];
    if (below == 0) continue;
    for (Octet t = 0; t < below; ++t) {
      if (made(Mistake::names_unread)) break;
      if (made(Mistake::former_term_only) && t + 1 != below) continue;
      for (unsigned m = 0; m < kMessages; ++m)
        if (has(db.named[x][t], m) && has(db.there, m) && db.bag_of[m] == bag)
          put(db.doubt, m, true);
    }
    db.left[bag][x] = 0;
    clean_names(db, x);
  }
}

// A session that is ended rolls back what it had not committed; its node loses the connection.
void Model::end_sessions(State& s, Octet x) const {
  Node& node = s.node[x];
  if (node.old.phase < Phase::done) node.old = {};
  if (node.beat == BeatPhase::sent || node.beat == BeatPhase::half) break_beat(node);
  if (node.flight.phase == Phase::none || node.flight.phase >= Phase::done) return;
  node.flight.phase = Phase::none;
  node.batch = cluster::next(node.batch, cluster::BatchEvent::connection_lost).state;
}

Wrong Model::commit_fence(State& s, Flight& flight) const {
  Octet x = flight.what;
  NodeRecord& dead = s.now.node[x];
  bool same = dead.term == flight.term && dead.beat == flight.beat && dead.state != kGone;
  if (!same) {
    flight.phase = Phase::failed;
    return Wrong::nothing;
  }
  if (!made(Mistake::no_termination)) end_sessions(s, x);
  dead.state = kGone;
  ++dead.term;
  s.now.token_term[x] = dead.term;
  s.now.token_count[x] = 0;
  s.now.last_batch[x] = 0;
  return s.excused[x] == 0 ? Wrong::healthy_fenced : Wrong::nothing;
}

void Model::commit_adopt(State& s, Octet i, Flight& flight) const {
  Database& db = s.now;
  Octet bag = flight.what;
  Octet from = flight.whom;
  bool gone = db.node[from].state == kGone;
  if (made(Mistake::adopt_before_fence)) gone = true;
  if (!gone || db.owner[bag] != from) {
    flight.phase = Phase::failed;
    return;
  }
  db.owner[bag] = i;
  // Where its term has not been ended, the present one is what it left its names under.
  bool raised = db.node[from].state == kGone;
  db.left[bag][from] = static_cast<Octet>(db.node[from].term + (raised ? 0 : 1));
}

void Model::start(State& s, Octet i) const {
  Database& db = s.now;
  Node& node = s.node[i];
  ++db.node[i].term;
  db.node[i].state = kLive;
  db.token_term[i] = db.node[i].term;
  db.token_count[i] = 0;
  db.last_batch[i] = 0;
  node.power = Power::running;
  node.term = db.node[i].term;
  node.token_count = 0;
  node.next_give = 2;
  for (unsigned b = 0; b < kModelBags; ++b) {
    if (db.owner[b] != i) continue;
    db.left[b][i] = node.term;
    node.bag[b] = cluster::BagLife::unread;
    put(node.held, b, true);
  }
  clean_names(db, i);
  s.safe = db;
}

// Every session breaks. After a failover, what nobody was told is gone.
void Model::outage(State& s, bool fail_over) const {
  if (fail_over) s.now = s.safe;
  s.safe = s.now;
  s.away = 1;
  s.failed_over = fail_over ? 1 : s.failed_over;
  for (Octet i = 0; i < rules_.nodes; ++i) {
    Node& node = s.node[i];
    node.old = {};
    if (node.beat != BeatPhase::none) break_beat(node);
    if (node.flight.phase == Phase::none) continue;
    node.flight.phase = Phase::none;
    node.batch = cluster::next(node.batch, cluster::BatchEvent::connection_lost).state;
  }
}

}  // namespace postwain::cluster_model
