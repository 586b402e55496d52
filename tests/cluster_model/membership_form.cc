// A node's Membership between two states: ages in ticks on one side, readings of its clock on the
// other. The clock of every node stands at kNow; a moment in the past lies its age before that.
#include <algorithm>

#include "qmgr/cluster/membership.h"
#include "tests/cluster_model/model.h"

namespace postwain::cluster_model {

namespace {

Octet ticks(Duration duration) {
  return static_cast<Octet>(std::clamp<std::int64_t>(duration / kTick, 0, 200));
}

cluster::BagSet set_of(Octet bits) {
  return cluster::BagSet::of_bits(bits);
}

void collect(std::array<Octet, 16>& seen, unsigned& count, Octet beat) {
  auto* end = seen.begin() + count;
  if (std::find(seen.begin(), end, beat) == end) seen.at(count++) = beat;
}

// Calls what(Octet&) for each place where a beat of node x stands and may be compared.
template <class What>
void for_each_beat(State& state, unsigned nodes, unsigned x, What what) {
  what(state.now.node[x].beat);
  what(state.safe.node[x].beat);
  for (unsigned i = 0; i < nodes; ++i) {
    Node& node = state.node[i];
    if (node.watched[x].seen != 0) what(node.watched[x].beat);
    if (node.beat == BeatPhase::read) what(node.rows.node[x].beat);
    if (node.flight.kind == Kind::fence && node.flight.what == x) what(node.flight.beat);
    if (node.old.kind == Kind::fence && node.old.what == x) what(node.old.beat);
  }
}

}  // namespace

cluster::Membership::Memory memory_of(const Node& node, unsigned nodes) {
  cluster::Membership::Memory memory;
  memory.word.sent = kNow - node.word_age * kTick;
  memory.sent = kNow - node.since_sent * kTick;
  memory.counting = node.counting != 0;
  memory.fenced = node.fenced != 0;
  memory.held = set_of(node.held);
  memory.moved = set_of(node.moved);
  memory.giving = set_of(node.giving);
  memory.next_give = kNow + node.next_give * kTick;
  for (unsigned x = 0; x < nodes; ++x) {
    const Watched& from = node.watched[x];
    memory.nodes[x] = {{from.term}, {from.beat}, from.quiet * kTick, from.seen != 0};
  }
  return memory;
}

void keep_memory(Node& node, const cluster::Membership::Memory& memory, unsigned nodes) {
  node.word_age = std::min<Octet>(ticks(kNow - memory.word.sent), kSilence + 2);
  node.since_sent = std::min<Octet>(ticks(kNow - memory.sent), 2);
  node.counting = memory.counting ? 1 : 0;
  node.fenced = memory.fenced ? 1 : 0;
  node.held = static_cast<Octet>(memory.held.bits());
  node.moved = static_cast<Octet>(memory.moved.bits());
  node.giving = static_cast<Octet>(memory.giving.bits());
  node.next_give = ticks(memory.next_give - kNow);
  for (unsigned x = 0; x < nodes; ++x) {
    const auto& from = memory.nodes[x];
    // Beyond the last survivor's turn nothing changes any more.
    Octet quiet = std::min<Octet>(ticks(from.quiet), kSilence + kMaxNodes);
    node.watched[x] = {static_cast<Octet>(from.term.value), static_cast<Octet>(from.beat.value),
                       quiet, static_cast<Octet>(from.seen ? 1 : 0)};
  }
}

void make_canonical(State& state, unsigned nodes) {
  for (unsigned i = 0; i < nodes; ++i) {
    Node& node = state.node[i];
    node.watched[i] = {};
    if (node.beat != BeatPhase::read) node.rows = {};
    if (node.beat == BeatPhase::none) node.step = 0;
    if (node.old.phase == Phase::none) node.old = {};
    if (node.batch == cluster::BatchLife::committed) node.flight = {};
  }
  for (unsigned x = 0; x < nodes; ++x) {
    std::array<Octet, 16> seen{};
    unsigned count = 0;
    for_each_beat(state, nodes, x, [&](Octet& beat) { collect(seen, count, beat); });
    for_each_beat(state, nodes, x, [&](Octet& beat) {
      beat = static_cast<Octet>(std::find(seen.begin(), seen.end(), beat) - seen.begin());
    });
  }
}

}  // namespace postwain::cluster_model
