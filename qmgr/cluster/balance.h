// How many bags a node should have, and which bag goes to whom next. Every node works this out for
// itself from the same rows, and acts on its own part only.
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
// largest remainder first, then the lower number). Zero for who takes none.
Shares shares_of(std::span<const Holder> holders, unsigned bags);

// To whom `self` should give a bag because it has more than its share: one bag, or nobody. Nodes
// with too many are paired with nodes that lack some in one order, so that two givers do not fill
// the same gap. Busy nodes lack nothing.
std::optional<NodeNumber> taker_by_weight(std::span<const Holder> holders, NodeNumber self);
// To whom `self`, which is busy for long, should give a bag: an idle node. Who has one bag keeps
// it.
std::optional<NodeNumber> taker_by_load(std::span<const Holder> holders, NodeNumber self);
// Where each bag of `self`, which drains, should go: all of them, to those who lack most. Empty if
// nobody else takes any.
std::vector<Give> leave_all(std::span<const Holder> holders, NodeNumber self);

}  // namespace postwain::qmgr::cluster
