// Places of a limit over all nodes.
#include <catch2/catch.hpp>

#include <array>
#include <numeric>

#include "qmgr/cluster/places.h"
#include "tests/unit/cluster/cluster_support.h"

using namespace postwain;
using namespace postwain::qmgr::cluster;
using namespace postwain::test;

namespace {

NodeCount agreed(unsigned nodes) {
  return {nodes, nodes, false};
}

PlaceNeed need_of(std::uint32_t limit, unsigned nodes, std::uint32_t wanted) {
  PlaceNeed need;
  need.limit = limit;
  need.nodes = agreed(nodes);
  need.wanted = wanted;
  need.beyond_need = 1min;
  return need;
}

// Nodes that join, leave, hear of that at different times and claim whatever they can get. Each
// uses as much as it may at every moment.
struct Cluster {
  struct Node {
    bool in = false;
    bool seen = false;  // it has heard of the present nodes, and keeps to that
    NodeCount count;
    Claim claim;
  };
  std::uint32_t limit;
  std::array<Node, 5> nodes;

  unsigned number() const {
    return static_cast<unsigned>(
        std::count_if(nodes.begin(), nodes.end(), [](const Node& n) { return n.in; }));
  }
  std::uint64_t used() const {
    std::uint64_t sum = 0;
    for (const Node& n : nodes)
      if (n.in) sum += usable(n.claim, limit, n.count);
    return sum;
  }
  void change(Node& node) {
    node = {!node.in, false, {}, {}};
    for (Node& n : nodes) n.seen = false;
    if (node.in) node.count = NodeCount::joined(number());
  }
  void hear(Node& node) {
    node.count.read(number());
    node.seen = true;
  }
  void agree(Node& node) {
    for (const Node& n : nodes)
      if (n.in && !n.seen) return;
    node.count.all_agree(number());
  }
  void claim(Node& node, std::uint32_t wanted) {
    std::uint64_t others = 0;
    for (const Node& n : nodes)
      if (n.in && &n != &node) others += n.claim.places;
    node.count.read(number());
    node.claim = grant(wanted, limit, node.count, others);
  }
};

}  // namespace

TEST_CASE("P1: places: free ones, granted ones, usable ones") {
  CHECK(free_places(10, agreed(3)) == 3);
  CHECK(free_places(3, agreed(3)) == 3);
  CHECK(free_places(2, agreed(3)) == 0);
  CHECK(free_places(2, {2, 3, false}) == 2);  // the former two may still use theirs
  CHECK(free_places(0, agreed(1)) == 0);

  struct Row {
    std::uint32_t wanted;
    std::uint32_t limit;
    unsigned nodes;
    std::uint64_t others;
    std::uint32_t gets;
  };
  const Row rows[] = {
      {5, 20, 3, 0, 5},
      {50, 20, 3, 0, 17},
      {50, 20, 3, 10, 7},
      {5, 20, 3, 17, 0},
      {5, 20, 3, 90, 0},
      {2, 2, 3, 0, 2},
      {2, 2, 3, 1, 1},
      {1, 0, 1, 0, 0},
      {1, 1, 1, 0, 0},  // its one place is free
      {UINT32_MAX, UINT32_MAX, 32, 1, UINT32_MAX - 33},
  };
  for (const Row& row : rows)
    CHECK(grant(row.wanted, row.limit, agreed(row.nodes), row.others).places == row.gets);

  CHECK(usable({}, 10, agreed(3)) == 1);
  CHECK(usable({}, 2, agreed(3)) == 0);
  CHECK(usable({4, 3}, 10, agreed(3)) == 5);
  CHECK(usable({4, 3}, 10, {3, 5, false}) == 3);  // two have joined
  CHECK(usable({1, 1}, 10, {1, 5, false}) == 0);
  CHECK(usable({2, 0}, 2, agreed(3)) == 2);
  CHECK(usable({}, 10, {3, 4, true}) == 0);
}

TEST_CASE("P2: places: the sum never exceeds the limit, whoever joins and leaves") {
  std::uint64_t seed = 7;
  auto random = [&](std::uint64_t below) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (seed >> 33U) % below;
  };
  std::uint64_t fully_used = 0;
  for (unsigned round = 0; round < 3000; ++round) {
    Cluster cluster{static_cast<std::uint32_t>(random(9)), {}};
    for (unsigned step = 0; step < 200; ++step) {
      auto& node = cluster.nodes.at(random(5));
      if (random(8) == 0) {
        cluster.change(node);
      } else if (node.in) {
        switch (random(3)) {
          case 0:
            cluster.hear(node);
            break;
          case 1:
            cluster.agree(node);
            break;
          default:
            cluster.claim(node, static_cast<std::uint32_t>(random(8)));
        }
      }
      REQUIRE(cluster.used() <= cluster.limit);
      if (cluster.limit > 0 && cluster.used() == cluster.limit) ++fully_used;
    }
  }
  CHECK(fully_used > 10'000);  // the bound is reached, too
}

TEST_CASE("P3: places: what a node wants to have claimed") {
  CHECK(claim_wanted({}, need_of(20, 2, 0)) == 0);
  CHECK(claim_wanted({}, need_of(20, 2, 1)) == 0);  // the free one is enough
  CHECK(claim_wanted({}, need_of(20, 2, 6)) == 5);
  CHECK(claim_wanted({}, need_of(20, 2, 90)) == 19);
  CHECK(claim_wanted({}, need_of(2, 3, 2)) == 2);

  PlaceNeed less = need_of(20, 2, 1);
  CHECK(claim_wanted({5, 2}, less) == 0);
  less.beyond_need = 1999ms;
  CHECK(claim_wanted({5, 2}, less) == 5);  // kept for a moment
  less.others_want = true;
  CHECK(claim_wanted({5, 2}, less) == 0);  // not while others wait

  PlaceNeed shared = need_of(20, 2, 20);
  shared.others_want = true;
  shared.queued = 300;
  shared.queued_all = 400;
  CHECK(proportional_share(shared) == 15);
  CHECK(claim_wanted({19, 2}, shared) == 14);
  shared.queued = UINT64_MAX / 4;
  shared.queued_all = UINT64_MAX / 2;
  CHECK(proportional_share(shared) >= 9);
  CHECK(proportional_share(shared) <= 10);
  shared.queued = 1;
  CHECK(proportional_share(shared) == 1);
  shared.queued_all = 0;
  CHECK(proportional_share(shared) == 1);
}

TEST_CASE("P4: places: when a claim is made again") {
  PlaceNeed need = need_of(20, 2, 6);
  CHECK(must_claim({}, need));
  CHECK_FALSE(must_claim({5, 2}, need));
  CHECK(must_claim({5, 1}, need));  // made when there was one node
  need.wanted = 3;
  need.running = 6;
  CHECK_FALSE(must_claim({5, 2}, need));  // its connections have to end first
  need.running = 3;
  CHECK(must_claim({5, 2}, need));
  CHECK_FALSE(must_claim({}, need_of(20, 2, 1)));
}
