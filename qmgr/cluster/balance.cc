#include "qmgr/cluster/balance.h"

#include <algorithm>

namespace postwain::qmgr::cluster {

namespace {

unsigned weight_of(const Holder& holder) {
  return holder.takes ? std::clamp<unsigned>(holder.weight, 1, kWeightMost) : 0;
}

unsigned bags_of_all(std::span<const Holder> holders) {
  unsigned sum = 0;
  for (const Holder& holder : holders) sum += holder.bags.size();
  return sum;
}

const Holder* holder_of(std::span<const Holder> holders, NodeNumber node) {
  auto found = std::find_if(holders.begin(), holders.end(),
                            [node](const Holder& h) { return h.node == node; });
  return found == holders.end() ? nullptr : &*found;
}

// The place of self among those that hold more than their share; nothing if it holds no more.
std::optional<unsigned> place_among_givers(std::span<const Holder> holders, const Shares& shares,
                                           NodeNumber self) {
  unsigned before = 0;
  bool gives = false;
  for (const Holder& holder : holders) {
    if (holder.bags.size() <= shares[holder.node.value]) continue;
    if (holder.node == self) gives = true;
    if (holder.node < self) ++before;
  }
  return gives ? std::optional(before) : std::nullopt;
}

struct Gap {
  NodeNumber node;
  unsigned lacks = 0;
};

// Those that have less than their share, the largest gap first.
std::vector<Gap> gaps_of(std::span<const Holder> holders, const Shares& shares) {
  std::vector<Gap> gaps;
  for (const Holder& holder : holders) {
    unsigned has = holder.bags.size();
    unsigned share = shares[holder.node.value];
    if (holder.takes && !holder.busy && has < share) gaps.push_back({holder.node, share - has});
  }
  std::sort(gaps.begin(), gaps.end(), [](const Gap& a, const Gap& b) {
    return a.lacks != b.lacks ? a.lacks > b.lacks : a.node < b.node;
  });
  return gaps;
}

// The n-th bag that is missing anywhere, where each gap gets one in turn.
std::optional<NodeNumber> gap_number(const std::vector<Gap>& gaps, unsigned n) {
  unsigned missing = 0;
  for (const Gap& gap : gaps) missing += gap.lacks;
  if (n >= missing) return std::nullopt;
  for (unsigned round = 0;; ++round)
    for (const Gap& gap : gaps)
      if (gap.lacks > round && n-- == 0) return gap.node;
}

}  // namespace

Shares shares_of(std::span<const Holder> holders, unsigned bags) {
  Shares shares{};
  unsigned all = 0;
  for (const Holder& holder : holders) all += weight_of(holder);
  if (all == 0) return shares;
  std::vector<Gap> remainders;
  unsigned left = bags;
  for (const Holder& holder : holders) {
    unsigned weight = weight_of(holder);
    unsigned share = bags * weight / all;
    shares[holder.node.value] = share;
    left -= share;
    if (weight > 0) remainders.push_back({holder.node, bags * weight % all});
  }
  std::sort(remainders.begin(), remainders.end(), [](const Gap& a, const Gap& b) {
    return a.lacks != b.lacks ? a.lacks > b.lacks : a.node < b.node;
  });
  for (std::size_t i = 0; i < remainders.size() && left > 0; ++i, --left)
    ++shares[remainders[i].node.value];
  return shares;
}

unsigned surplus_of(std::span<const Holder> holders, NodeNumber self) {
  const Holder* own = holder_of(holders, self);
  if (own == nullptr) return 0;
  unsigned share = shares_of(holders, bags_of_all(holders))[self.value];
  return own->bags.size() > share ? own->bags.size() - share : 0;
}

std::optional<NodeNumber> taker_by_weight(std::span<const Holder> holders, NodeNumber self) {
  Shares shares = shares_of(holders, bags_of_all(holders));
  auto place = place_among_givers(holders, shares, self);
  if (!place) return std::nullopt;
  return gap_number(gaps_of(holders, shares), *place);
}

std::optional<NodeNumber> taker_by_load(std::span<const Holder> holders, NodeNumber self) {
  const Holder* own = holder_of(holders, self);
  if (own == nullptr || own->bags.size() < 2) return std::nullopt;
  std::vector<NodeNumber> idle;
  unsigned before = 0;
  for (const Holder& holder : holders) {
    if (holder.takes && holder.idle && holder.node != self) idle.push_back(holder.node);
    if (holder.busy && holder.node < self) ++before;
  }
  std::sort(idle.begin(), idle.end());
  if (before >= idle.size()) return std::nullopt;
  return idle[before];
}

std::vector<Give> leave_all(std::span<const Holder> holders, NodeNumber self) {
  const Holder* own = holder_of(holders, self);
  if (own == nullptr) return {};
  std::vector<Holder> after(holders.begin(), holders.end());
  std::erase_if(after, [self](const Holder& h) { return !h.takes || h.node == self; });
  std::vector<Give> gives;
  if (after.empty()) return gives;
  own->bags.for_each([&](BagNumber bag) {
    auto taker = std::min_element(after.begin(), after.end(), [](const Holder& a, const Holder& b) {
      // Bags per weight, compared without a division.
      unsigned left = a.bags.size() * weight_of(b);
      unsigned right = b.bags.size() * weight_of(a);
      return left != right ? left < right : a.node < b.node;
    });
    taker->bags.add(bag);
    gives.push_back({bag, taker->node});
  });
  return gives;
}

}  // namespace postwain::qmgr::cluster
