// Who is first for what, and how many bags are whose.
#include <catch2/catch.hpp>

#include <array>
#include <numeric>

#include "qmgr/cluster/rendezvous.h"
#include "tests/unit/cluster/cluster_support.h"

using namespace postwain;
using namespace postwain::qmgr::cluster;
using namespace postwain::test;

namespace {

std::vector<Holder> holders_of(const std::vector<std::pair<unsigned, unsigned>>& weights_and_bags) {
  std::vector<Holder> all;
  unsigned next_bag = 0;
  for (auto [weight, count] : weights_and_bags) {
    Holder holder;
    holder.node = node(static_cast<unsigned>(all.size()));
    holder.weight = static_cast<std::uint16_t>(weight);
    for (unsigned i = 0; i < count; ++i) holder.bags.add(bag(next_bag++));
    all.push_back(holder);
  }
  return all;
}

}  // namespace

TEST_CASE("B1: rendezvous: weights count, and only what was a node's own moves when it goes") {
  const std::vector<Candidate> four = {{node(0), 1}, {node(1), 1}, {node(2), 2}, {node(3), 4}};
  const std::vector<Candidate> three(four.begin(), four.end() - 1);
  std::array<unsigned, 4> count{};
  for (unsigned i = 0; i < 4000; ++i) {
    std::uint64_t key = key_of(node(i % kNodes), Term{i});
    auto with = first_for(key, four);
    auto without = first_for(key, three);
    ++count[with->value];
    if (*with != node(3)) CHECK(with == without);
  }
  CHECK((count[0] > 400 && count[0] < 600));
  CHECK((count[1] > 400 && count[1] < 600));
  CHECK((count[2] > 850 && count[2] < 1150));
  CHECK((count[3] > 1850 && count[3] < 2150));
  CHECK_FALSE(first_for(1, {}).has_value());
}

TEST_CASE("B2: rendezvous: ranks are an order, and a stranger comes last") {
  const std::vector<Candidate> all = {{node(4), 1}, {node(9), 7}, {node(1), 1}};
  for (unsigned i = 0; i < 100; ++i) {
    std::array<bool, 3> seen{};
    for (const Candidate& c : all) seen.at(rank_for(i, all, c.node)) = true;
    CHECK((seen[0] && seen[1] && seen[2]));
    CHECK(rank_for(i, all, node(2)) == 3);
  }
}

TEST_CASE("B3: shares: by weight, and their sum is right") {
  struct Row {
    std::vector<std::pair<unsigned, unsigned>> holders;
    std::vector<unsigned> shares;
  };
  const std::vector<Row> rows = {
      {{{1, 64}}, {64}},
      {{{1, 0}, {1, 64}}, {32, 32}},
      {{{1, 64}, {1, 0}, {1, 0}}, {22, 21, 21}},
      {{{4, 64}, {2, 0}, {2, 0}}, {32, 16, 16}},
      {{{0, 32}, {1, 32}}, {32, 32}},         // no weight counts as the least
      {{{60'000, 32}, {256, 32}}, {32, 32}},  // and too much as the most
      {{{256, 3}, {1, 0}}, {3, 0}},
  };
  for (const Row& row : rows) {
    auto holders = holders_of(row.holders);
    unsigned bags = 0;
    for (const Holder& holder : holders) bags += holder.bags.size();
    Shares shares = shares_of(holders, bags);
    for (std::size_t i = 0; i < row.shares.size(); ++i) CHECK(shares[i] == row.shares[i]);
    CHECK(std::accumulate(shares.begin(), shares.end(), 0U) == bags);
  }
  auto draining = holders_of({{1, 32}, {1, 32}});
  draining[0].takes = false;
  CHECK(shares_of(draining, 64)[0] == 0);
  CHECK(shares_of(draining, 64)[1] == 64);
}

TEST_CASE("B4: balance: givers are paired with gaps, so that no gap is filled twice") {
  auto holders = holders_of({{1, 22}, {1, 21}, {1, 21}, {1, 0}});
  for (unsigned self = 0; self < 3; ++self) CHECK(taker_by_weight(holders, node(self)) == node(3));
  CHECK_FALSE(taker_by_weight(holders, node(3)));

  // Two have too many, two lack one each: each of them gets one.
  holders = holders_of({{1, 17}, {1, 17}, {1, 15}, {1, 15}});
  CHECK(taker_by_weight(holders, node(0)) == node(2));
  CHECK(taker_by_weight(holders, node(1)) == node(3));
  holders[2].busy = true;
  CHECK(taker_by_weight(holders, node(0)) == node(3));
  CHECK_FALSE(taker_by_weight(holders, node(1)));  // its gap is no gap
  CHECK_FALSE(taker_by_weight(holders, node(7)));
}

TEST_CASE("B5: balance: from any distribution it ends at the shares, and stays there") {
  for (unsigned seed = 1; seed < 200; ++seed) {
    auto holders = holders_of({{1 + seed % 4, seed % 64}, {2, 0}, {3, 64 - seed % 64}, {1, 0}});
    unsigned rounds = 0;
    for (bool moved = true; moved; ++rounds) {
      REQUIRE(rounds < 100);
      moved = false;
      std::vector<std::optional<NodeNumber>> takers;
      for (const Holder& holder : holders) takers.push_back(taker_by_weight(holders, holder.node));
      for (std::size_t i = 0; i < holders.size(); ++i) {
        if (!takers[i]) continue;
        BagSet one = BagSet::of_bits(holders[i].bags.bits() & (~holders[i].bags.bits() + 1));
        holders[i].bags = holders[i].bags.without(one);
        holders[takers[i]->value].bags =
            BagSet::of_bits(holders[takers[i]->value].bags.bits() | one.bits());
        moved = true;
      }
    }
    Shares shares = shares_of(holders, 64);
    for (const Holder& holder : holders) CHECK(holder.bags.size() == shares[holder.node.value]);
  }
}

TEST_CASE("B6: balance: leaving spreads over all that take, by weight") {
  auto holders = holders_of({{1, 24}, {1, 8}, {2, 16}, {1, 0}});
  holders[3].takes = false;
  auto gives = leave_all(holders, node(0));
  CHECK(gives.size() == 24);
  unsigned to_second = 0;
  for (const Give& give : gives) {
    CHECK((give.to == node(1) || give.to == node(2)));
    if (give.to == node(2)) ++to_second;
  }
  CHECK(to_second == 16);  // 16 and 32
  CHECK(leave_all(holders_of({{1, 5}}), node(0)).empty());
}
