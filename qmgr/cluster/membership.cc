#include "qmgr/cluster/membership.h"

#include <algorithm>

namespace postwain::qmgr::cluster {

namespace {

const NodeRow* row_of(std::span<const NodeRow> nodes, NodeNumber id) {
  auto found =
      std::find_if(nodes.begin(), nodes.end(), [id](const NodeRow& row) { return row.id == id; });
  return found == nodes.end() ? nullptr : &*found;
}

}  // namespace

Membership::Membership(const Self& self, const Timing& timing) : self_(self), timing_(timing) {
  memory_.word.sent = self.registered;
  memory_.next_give = self.registered + timing.balance_pause;
}

Membership::Membership(const Self& self, const Timing& timing, const Memory& memory)
    : self_(self), timing_(timing), memory_(memory) {}

void Membership::beat_sent(BootTime now) {
  memory_.step = now - memory_.sent;
  // Of a long time between two beats the node does not know whether the database answered.
  if (memory_.step > timing_.prompt) memory_.counting = false;
  memory_.sent = now;
  memory_.moved = BagSet();
}

Decisions Membership::beat_ended(const BeatReport& report) {
  Decisions out;
  if (report.end == BeatEnd::fenced) memory_.fenced = true;
  if (report.end != BeatEnd::ok) memory_.counting = false;
  if (memory_.fenced) return out;
  out.own = memory_.held;
  if (report.end != BeatEnd::ok) return out;
  const NodeRow* own = row_of(report.nodes, self_.node);
  if (own == nullptr || own->term != self_.term || own->state == NodeState::gone) {
    memory_.fenced = true;
    return {};
  }
  take_rows(report);
  out.own = memory_.held;
  decide_fences(report.nodes, out);
  if (own->state == NodeState::live) decide_adoptions(report, out);
  decide_gives(report, out);
  out.drained = own->state == NodeState::draining && memory_.held.empty();
  return out;
}

void Membership::take_rows(const BeatReport& report) {
  memory_.word = Word{memory_.sent};
  note_silence(report);
  note_bags(report.bags);
}

void Membership::note_silence(const BeatReport& report) {
  bool prompt = report.answered - memory_.sent <= timing_.prompt;
  bool counts = memory_.counting && prompt;
  Duration most = timing_.silence + timing_.next_survivor * static_cast<int>(kNodes);
  for (const NodeRow& row : report.nodes) {
    Watched& watched = memory_.nodes[row.id.value];
    bool same = watched.seen && watched.term == row.term && watched.beat == row.beat;
    if (same && counts)
      watched.quiet = std::min(watched.quiet + memory_.step, most);
    else
      watched = {row.term, row.beat, memory_.sent - report.answered, true};
  }
  memory_.counting = prompt;
}

void Membership::note_bags(std::span<const BagRow> bags) {
  for (const BagRow& row : bags) {
    if (memory_.moved.has(row.id)) continue;
    if (row.owner == self_.node) {
      memory_.held.add(row.id);
    } else {
      memory_.held.remove(row.id);
      memory_.giving.remove(row.id);
    }
  }
}

void Membership::bag_came(BagNumber bag) {
  memory_.held.add(bag);
  memory_.moved.add(bag);
}

void Membership::bag_went(BagNumber bag) {
  memory_.held.remove(bag);
  memory_.giving.remove(bag);
  memory_.moved.add(bag);
}

void Membership::give_ended(BagNumber bag) {
  memory_.giving.remove(bag);
}

Standing Membership::standing(BootTime now) const {
  if (memory_.fenced) return Standing::fenced;
  return now - memory_.word.sent < timing_.word_good ? Standing::live : Standing::unsure;
}

bool Membership::silent(const NodeRow& row, Duration beyond) const {
  const Watched& watched = memory_.nodes[row.id.value];
  return row.id != self_.node && watched.quiet >= timing_.silence + beyond;
}

// The nodes that can fence and adopt: live ones that are not silent themselves.
std::vector<Candidate> Membership::survivors(std::span<const NodeRow> nodes) const {
  std::vector<Candidate> all;
  for (const NodeRow& row : nodes)
    if (row.state == NodeState::live && !silent(row, Duration(0)))
      all.push_back({row.id, row.weight});
  return all;
}

void Membership::decide_fences(std::span<const NodeRow> nodes, Decisions& out) const {
  std::vector<Candidate> alive = survivors(nodes);
  for (const NodeRow& row : nodes) {
    if (row.state == NodeState::gone) continue;
    unsigned rank = rank_for(key_of(row.id, row.term), alive, self_.node);
    if (silent(row, timing_.next_survivor * static_cast<int>(rank)))
      out.fence.push_back({row.id, row.term, row.beat});
  }
}

// Bags to be adopted: of nodes that are gone, of node numbers without a row, and without an owner.
void Membership::decide_adoptions(const BeatReport& report, Decisions& out) const {
  std::vector<Candidate> alive = survivors(report.nodes);
  for (const BagRow& bag : report.bags) {
    const NodeRow* owner = bag.owner ? row_of(report.nodes, *bag.owner) : nullptr;
    if (memory_.moved.has(bag.id) || (owner != nullptr && owner->state != NodeState::gone))
      continue;
    if (first_for(key_of(bag.id), alive) != self_.node) continue;
    auto same = std::find_if(out.adopt.begin(), out.adopt.end(),
                             [&](const Adopt& adopt) { return adopt.from == bag.owner; });
    if (same == out.adopt.end()) same = out.adopt.insert(same, {bag.owner, {}});
    same->bags.add(bag.id);
  }
}

std::vector<Holder> Membership::holders(const BeatReport& report) const {
  std::vector<Holder> all;
  for (const NodeRow& row : report.nodes) {
    if (row.state == NodeState::gone) continue;
    bool takes = row.state == NodeState::live && !silent(row, Duration(0));
    Holder holder{row.id, row.weight, takes, row.busy, row.idle, {}};
    for (const BagRow& bag : report.bags)
      if (bag.owner == row.id) holder.bags.add(bag.id);
    if (row.id == self_.node) holder.bags = memory_.held;
    all.push_back(holder);
  }
  return all;
}

std::optional<BagNumber> Membership::bag_to_give(const BeatReport& report, bool fullest) const {
  auto messages = [&](BagNumber bag) {
    return bag.value < report.messages.size() ? report.messages[bag.value] : 0;
  };
  std::optional<BagNumber> best;
  memory_.held.without(memory_.giving).for_each([&](BagNumber bag) {
    bool better =
        !best || (fullest ? messages(bag) > messages(*best) : messages(bag) < messages(*best));
    if (better) best = bag;
  });
  return best;
}

bool Membership::busy_for_long(const BeatReport& report) {
  if (!report.busy) memory_.busy_since.reset();
  if (report.busy && !memory_.busy_since) memory_.busy_since = report.answered;
  return report.busy && report.answered - *memory_.busy_since >= timing_.busy_long;
}

// Half of what is too much, so that nodes which see the rows at different times do not overdo it.
void Membership::give_surplus(const BeatReport& report, std::vector<Holder> all, Decisions& out) {
  const unsigned most = std::max(1U, surplus_of(all, self_.node) / 2);
  while (out.give.size() < most) {
    auto to = taker_by_weight(all, self_.node);
    auto bag = to ? bag_to_give(report, false) : std::nullopt;
    if (!bag) return;
    out.give.push_back({*bag, *to});
    memory_.giving.add(*bag);
    for (Holder& holder : all) {
      if (holder.node == self_.node) holder.bags.remove(*bag);
      if (holder.node == *to) holder.bags.add(*bag);
    }
  }
}

void Membership::decide_gives(const BeatReport& report, Decisions& out) {
  bool busy = busy_for_long(report);
  std::vector<Holder> all = holders(report);
  if (row_of(report.nodes, self_.node)->state == NodeState::draining) {
    for (const Give& give : leave_all(all, self_.node))
      if (!memory_.giving.has(give.bag)) out.give.push_back(give);
  } else if (memory_.giving.empty() && report.answered >= memory_.next_give) {
    give_surplus(report, all, out);
    if (auto to = out.give.empty() && busy ? taker_by_load(all, self_.node) : std::nullopt)
      if (auto bag = bag_to_give(report, true)) out.give.push_back({*bag, *to});
  }
  for (const Give& give : out.give) memory_.giving.add(give.bag);
  if (!out.give.empty()) memory_.next_give = report.answered + timing_.balance_pause;
}

}  // namespace postwain::qmgr::cluster
