// Who of several nodes is to do a thing, without a word between them: each node ranks all
// candidates by a hash of the thing and the candidate, and all come to the same order. When a
// candidate goes, only what it was first for changes hands (rendezvous hashing). Nodes may see
// different candidates for a moment; so the order only saves vain work, and what keeps two from
// doing the same thing is the condition of the statement that does it.
//
// Whole numbers only, so that no two builds come to different orders.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "qmgr/cluster/values.h"

namespace postwain::qmgr::cluster {

struct Candidate {
  NodeNumber node;
  std::uint16_t weight = 1;
};

// The things that are shared out. Bags and deaths have hashes of their own.
std::uint64_t key_of(BagNumber bag);
std::uint64_t key_of(NodeNumber dead, Term term);

// A candidate of twice the weight is first for about twice as many keys. Work: the sum of weights.
std::optional<NodeNumber> first_for(std::uint64_t key, std::span<const Candidate> candidates);

// How many of the candidates come before node; weights do not count. Who is not among them comes
// behind all.
unsigned rank_for(std::uint64_t key, std::span<const Candidate> candidates, NodeNumber node);

}  // namespace postwain::qmgr::cluster
