#include "qmgr/cluster/rendezvous.h"

#include <algorithm>

namespace postwain::qmgr::cluster {

namespace {

// Spreads every bit of the input over all of the output: multiplications by odd constants, between
// shifts that bring high bits down.
std::uint64_t spread(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

std::uint64_t ticket(std::uint64_t key, NodeNumber node, std::uint64_t number) {
  return spread(key ^ spread(number * kNodes + node.value));
}

// The best of as many tickets as the candidate weighs.
std::uint64_t best_ticket(std::uint64_t key, const Candidate& candidate) {
  unsigned tickets = std::clamp<unsigned>(candidate.weight, 1, kWeightMost);
  std::uint64_t best = 0;
  for (unsigned i = 0; i < tickets; ++i) best = std::max(best, ticket(key, candidate.node, i));
  return best;
}

}  // namespace

std::uint64_t key_of(BagNumber bag) {
  return spread(0x100U + bag.value);
}

std::uint64_t key_of(NodeNumber dead, Term term) {
  return spread(spread(0x200U + dead.value) ^ static_cast<std::uint64_t>(term.value));
}

std::optional<NodeNumber> first_for(std::uint64_t key, std::span<const Candidate> candidates) {
  std::optional<NodeNumber> first;
  std::uint64_t best = 0;
  for (const Candidate& candidate : candidates) {
    std::uint64_t own = best_ticket(key, candidate);
    if (first && (own < best || (own == best && *first < candidate.node))) continue;
    first = candidate.node;
    best = own;
  }
  return first;
}

unsigned rank_for(std::uint64_t key, std::span<const Candidate> candidates, NodeNumber node) {
  bool among = std::any_of(candidates.begin(), candidates.end(),
                           [node](const Candidate& c) { return c.node == node; });
  if (!among) return static_cast<unsigned>(candidates.size());
  std::uint64_t own = ticket(key, node, 0);
  auto before = std::count_if(candidates.begin(), candidates.end(), [&](const Candidate& c) {
    std::uint64_t other = ticket(key, c.node, 0);
    return other > own || (other == own && c.node < node);
  });
  return static_cast<unsigned>(before);
}

}  // namespace postwain::qmgr::cluster
