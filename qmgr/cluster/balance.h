// How many bags each node should have, and to which node a bag goes next. Every node works this out
// for itself from the same rows, and gives away its own bags only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "qmgr/cluster/values.h"

namespace postwain::qmgr::cluster {

struct Give {
  BagNumber bag;
  NodeNumber to;
  bool operator==(const Give&) const = default;
};

// A node that may have bags, or has some.
struct Holder {
  NodeNumber node;
  std::uint16_t weight = 1;
  bool takes = true;  // alive and not draining: it gets a share
  bool busy = false;  // it is not given more while it cannot do what it has
  bool idle = false;
  BagSet bags;
};

using Shares = std::array<unsigned, kNodes>;
// How many of `bags` bags each holder should have: by weight, rounded so that the sum is right (the
// largest remainder first, then the lower number). Zero for nodes that take none.
Shares shares_of(std::span<const Holder> holders, unsigned bags);

// How many bags `self` has beyond its share.
unsigned surplus_of(std::span<const Holder> holders, NodeNumber self);
// The node to which `self` should give one bag because it has more than its share, if there is one.
// All nodes put those with too many bags and those with too few in the same order, so that two
// givers do not fill the same gap. A busy node does not count as one with too few.
std::optional<NodeNumber> taker_by_weight(std::span<const Holder> holders, NodeNumber self);
// The idle node to which `self`, which has been busy for long, should give one bag, if there is
// one. A node keeps its last bag.
std::optional<NodeNumber> taker_by_load(std::span<const Holder> holders, NodeNumber self);
// Where each bag of `self`, which drains, should go: to the node that has the fewest bags for its
// weight by then. Empty if no other node takes any.
std::vector<Give> leave_all(std::span<const Holder> holders, NodeNumber self);

}  // namespace postwain::qmgr::cluster
