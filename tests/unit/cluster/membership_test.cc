// Who is dead, whose bags go where, and what a node knows of itself.
#include <catch2/catch.hpp>

#include <algorithm>
#include <array>

#include "tests/unit/cluster/cluster_support.h"

using namespace postwain;
using namespace postwain::qmgr::cluster;
using namespace postwain::test;

namespace {

// The nodes of three, in the order in which they end the term of `dead`.
std::vector<unsigned> order_for(unsigned dead) {
  std::vector<unsigned> order;
  std::vector<Candidate> alive;
  for (unsigned i = 0; i < 3; ++i)
    if (i != dead) alive.push_back({node(i), 1});
  for (unsigned rank = 0; rank < 2; ++rank)
    for (const Candidate& c : alive)
      if (rank_for(key_of(node(dead), Term{7}), alive, c.node) == rank)
        order.push_back(c.node.value);
  return order;
}

}  // namespace

TEST_CASE("M1: membership: a node is dead after five seconds of silence, and not before") {
  auto order = order_for(2);
  Watcher first(3, order[0]);
  Watcher second(3, order[1]);
  first.beat({0, 1, 2});
  second.beat({0, 1, 2});
  // Beats come each half second, so the silence of 5 s is seen by the tenth beat, or the eleventh:
  // the first reading may be as late as its answer.
  CHECK(first.until_fence({order[1]}, 20s) == 5000ms);
  CHECK(second.until_fence({order[0]}, 20s) == 5000ms);

  SECTION("what is to be ended has the term and the beat that were read") {
    auto decisions = first.beat({order[1]});
    REQUIRE(decisions.fence.size() == 1);
    CHECK(decisions.fence[0] == Fence{node(2), {7}, first.rows[2].beat});
    CHECK(decisions.adopt.empty());  // not before the rows say that it has ended
  }
  SECTION("one beat more, and it lives") {
    CHECK(first.beat({order[1], 2}).fence.empty());
    CHECK(first.until_fence({order[1]}, 20s) == 5000ms);
  }
  SECTION("a new term is a new life") {
    first.rows[2].term = {8};
    CHECK(first.beat({order[1]}).fence.empty());
  }
  SECTION("who is gone is not ended again") {
    first.rows[2].state = NodeState::gone;
    CHECK(first.beat({order[1]}).fence.empty());
  }
}

TEST_CASE("M2: membership: the second survivor waits longer") {
  auto order = order_for(2);
  for (auto [rank, expected] : {std::pair(0U, 5100ms), std::pair(1U, 5400ms)}) {
    Watcher watcher(3, order[rank]);
    watcher.beat({0, 1, 2});
    // Beats at every 100 ms, to see the difference.
    Duration fenced = 0ms;
    for (Duration begin = watcher.now; fenced == 0ms && watcher.now < 20s;) {
      auto decisions = watcher.beat({order[1 - rank]});
      watcher.now -= 400ms;
      if (!decisions.fence.empty()) fenced = watcher.now - 100ms - begin + 500ms;
    }
    CHECK(fenced == expected);
  }
}

TEST_CASE("M3: membership: silence counts only while the own beats succeed promptly") {
  Watcher watcher(2, 0);
  watcher.beat({1});
  for (int i = 0; i < 10; ++i) REQUIRE(watcher.beat().fence.empty());

  SECTION("the control: one more is enough") {
    CHECK(watcher.beat().fence.size() == 1);
  }
  SECTION("a lost beat, and all begins anew") {
    watcher.lose_beat();
    CHECK(watcher.until_fence({}, 20s) == 5500ms);
  }
  SECTION("a beat that waited for the database, which waited for all") {
    REQUIRE(watcher.beat({}, 20s).fence.empty());
    CHECK(watcher.until_fence({}, 20s) >= 5000ms);
  }
  SECTION("a pause of the node itself") {
    watcher.now += 60s;
    CHECK(watcher.until_fence({}, 20s) == 5500ms);
  }
  SECTION("ever so slow beats are no witness at all") {
    for (int i = 0; i < 100; ++i) REQUIRE(watcher.beat({}, 1100ms).fence.empty());
  }
}

TEST_CASE("M4: membership: nobody is fenced when the database was away for all") {
  Watcher watcher(3, 0);
  for (int i = 0; i < 5; ++i) watcher.beat({1, 2});
  for (int i = 0; i < 60; ++i) watcher.lose_beat();
  CHECK(watcher.member.standing(boot(watcher.now)) == Standing::unsure);
  // It is back; the others come back up to two seconds later.
  for (int i = 0; i < 4; ++i) CHECK(watcher.beat().fence.empty());
  for (int i = 0; i < 20; ++i) CHECK(watcher.beat({1, 2}).fence.empty());
}

TEST_CASE("M5: membership: standing") {
  Watcher watcher(2, 0);
  auto& member = watcher.member;
  CHECK(member.standing(boot(0ms)) == Standing::live);  // the registration is a word
  CHECK(member.standing(boot(2999ms)) == Standing::live);
  CHECK(member.standing(boot(3000ms)) == Standing::unsure);

  SECTION("a word is as old as its sending, not as its answer") {
    watcher.now = 10s;
    watcher.beat({1}, 2900ms);
    CHECK(member.standing(boot(12'999ms)) == Standing::live);
    CHECK(member.standing(boot(13s)) == Standing::unsure);
  }
  SECTION("ended by others, in whatever way it hears of that") {
    int how = GENERATE(0, 1, 2, 3, 4);
    if (how == 0) watcher.end(BeatEnd::fenced, 1ms);
    if (how == 1) member.fence_met();
    if (how == 2) watcher.rows[0].term = {8};
    if (how == 3) watcher.rows[0].state = NodeState::gone;
    if (how == 4) watcher.rows[0].id = node(5);
    watcher.end(BeatEnd::ok, 1ms);
    CHECK(member.standing(boot(1ms)) == Standing::fenced);
    watcher.rows[0] = watcher.rows[1];
    CHECK(watcher.end(BeatEnd::ok, 1ms).own.empty());
    CHECK(member.standing(boot(1ms)) == Standing::fenced);  // for good
  }
}

TEST_CASE("M6: membership: orphans are shared out by rendezvous, and nobody takes another's") {
  std::array<BagSet, 3> taken;
  for (unsigned self = 0; self < 3; ++self) {
    Watcher watcher(4, self);
    watcher.rows[3].state = NodeState::gone;
    auto decisions = watcher.beat({0, 1, 2});
    REQUIRE(decisions.adopt.size() == 1);
    CHECK(decisions.adopt[0].from == node(3));
    taken[self] = decisions.adopt[0].bags;
    CHECK_FALSE(taken[self].empty());
  }
  CHECK((taken[0].bits() | taken[1].bits() | taken[2].bits()) == 0x8888888888888888U);
  CHECK(taken[0].size() + taken[1].size() + taken[2].size() == 16);

  SECTION("bags of nobody and of numbers without a row") {
    Watcher watcher(1, 0);
    watcher.owners[4].owner = std::nullopt;
    watcher.owners[5].owner = node(9);
    auto decisions = watcher.beat();
    CHECK(decisions.adopt == std::vector<Adopt>{{std::nullopt, bags({4})}, {node(9), bags({5})}});
  }
  SECTION("a silent node is not counted on, a draining one takes none") {
    Watcher watcher(4, 0);
    watcher.rows[1].state = NodeState::draining;
    watcher.rows[3].state = NodeState::gone;
    for (int i = 0; i < 12; ++i) watcher.beat({1});
    CHECK(watcher.beat({1}).adopt[0].bags == BagSet::of_bits(0x8888888888888888U));
  }
  SECTION("what one has adopted since the beat was sent is not asked for again") {
    Watcher watcher(1, 0);
    watcher.owners[5].owner = node(9);
    watcher.member.beat_sent(boot(1s));
    watcher.member.bag_came(bag(5));
    auto decisions = watcher.end(BeatEnd::ok, 1ms);
    CHECK(decisions.adopt.empty());
    CHECK(decisions.own.has(bag(5)));
  }
}

TEST_CASE("M7: membership: rows that are older than a move do not undo it") {
  Watcher watcher(2, 0);
  watcher.beat({1});
  watcher.member.beat_sent(boot(watcher.now));
  watcher.member.bag_went(bag(0));
  CHECK_FALSE(watcher.end(BeatEnd::ok, 1ms).own.has(bag(0)));  // these rows still say: mine
  watcher.owners[0].owner = node(1);
  CHECK_FALSE(watcher.beat({1}).own.has(bag(0)));
  watcher.owners[0].owner = node(0);  // and it may come back
  CHECK(watcher.beat({1}).own.has(bag(0)));
}

TEST_CASE(
    "M8: membership: a new node gets its share, half of what is too much every five seconds") {
  Watcher watcher(2, 0);
  for (BagRow& row : watcher.owners) row.owner = node(0);
  std::vector<std::size_t> numbers;
  Duration last = 0ms;
  while (watcher.now < 120s) {
    Duration now = watcher.now;
    Decisions decisions = watcher.beat({1});
    if (decisions.give.empty()) continue;
    if (!numbers.empty()) CHECK(now - last >= 5s);
    last = now;
    numbers.push_back(decisions.give.size());
    for (const Give& give : decisions.give) {
      CHECK(give.to == node(1));
      watcher.member.bag_went(give.bag);
      watcher.owners[give.bag.value].owner = give.to;
    }
  }
  CHECK(numbers == std::vector<std::size_t>{16, 8, 4, 2, 1, 1});  // to 32 and 32
}

TEST_CASE("M9: membership: a give that came to nothing is decided again") {
  Watcher watcher(2, 0);
  for (BagRow& row : watcher.owners) row.owner = node(0);
  watcher.now = 5s;
  auto gives = watcher.beat({1}).give;
  REQUIRE(gives.size() == 16);
  for (const Give& give : gives) {
    watcher.now += 5s;
    CHECK(watcher.beat({1}).give.empty());  // some are under way
    watcher.member.give_ended(give.bag);
  }
  watcher.now += 5s;
  CHECK(watcher.beat({1}).give == gives);
}

TEST_CASE("M10: membership: who drains gives everything, and says when it is done") {
  Watcher watcher(3, 0);
  watcher.rows[0].state = NodeState::draining;
  watcher.beat({1, 2});
  auto all = bags({});
  for (unsigned i = 0; i < kBags; i += 3) all.add(bag(i));
  Watcher again(3, 0);
  again.rows[0].state = NodeState::draining;
  auto decisions = again.beat({1, 2});
  BagSet given;
  for (const Give& give : decisions.give) given.add(give.bag);
  CHECK(given == all);
  CHECK_FALSE(decisions.drained);
  CHECK(again.beat({1, 2}).give.empty());  // each once
  for (const Give& give : decisions.give) {
    again.owners[give.bag.value].owner = give.to;
    again.member.bag_went(give.bag);
  }
  CHECK(again.beat({1, 2}).drained);
}

TEST_CASE("M11: membership: busy for ten seconds, and an idle node gets the fullest bag") {
  Watcher watcher(2, 0);
  watcher.messages[6] = 1000;
  watcher.rows[1].idle = true;
  watcher.now = 100s;
  watcher.busy = true;
  watcher.rows[0].busy = true;
  Decisions decisions = watcher.beat({1});
  for (; decisions.give.empty() && watcher.now < 200s; decisions = watcher.beat({1})) {
  }
  CHECK(watcher.now == 110'500ms);  // by the beat of 110 s
  CHECK(decisions.give == std::vector<Give>{{bag(6), node(1)}});

  SECTION("it does not come back while its former owner is busy") {
    Watcher other(2, 1);
    other.owners[6].owner = node(1);
    other.rows[0].busy = true;
    other.now = 100s;
    for (int i = 0; i < 40; ++i) CHECK(other.beat({0}).give.empty());
    other.rows[0].busy = false;
    CHECK(other.beat({0}).give.size() == 1);
  }
}

TEST_CASE("M12: membership: any rows at all are survived") {
  std::uint64_t seed = 1;
  auto random = [&](std::uint64_t below) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (seed >> 33U) % below;
  };
  for (int round = 0; round < 300; ++round) {
    Watcher watcher(3, 0);
    for (int step = 0; step < 20; ++step) {
      watcher.rows.resize(1);
      watcher.owners.resize(random(kBags));
      for (std::uint64_t i = random(40); i > 0; --i) {
        NodeRow row;
        row.id = node(static_cast<unsigned>(random(kNodes)));
        row.term = {static_cast<std::int64_t>(random(3)) + 6};
        row.state = *node_state(static_cast<std::int64_t>(random(3)));
        row.weight = static_cast<std::uint16_t>(random(70'000));
        row.busy = random(2) == 0;
        row.idle = random(2) == 0;
        if (row.id != node(0)) watcher.rows.push_back(row);
      }
      for (BagRow& row : watcher.owners) {
        row.id = bag(static_cast<unsigned>(random(kBags)));
        row.owner = node(static_cast<unsigned>(random(kNodes)));
      }
      watcher.rows[0].state = random(2) == 0 ? NodeState::live : NodeState::draining;
      watcher.now += Duration(random(2000));
      auto decisions = watcher.beat({}, Duration(random(1500)));
      for (const Fence& fence : decisions.fence) REQUIRE(fence.node != node(0));
      for (const Give& give : decisions.give) REQUIRE(give.to != node(0));
    }
  }
}
