// Which of several nodes is to do a thing, without messages between them (rendezvous hashing): each
// node ranks all candidates by a hash of the thing and the candidate, and all come to the same
// order. When a candidate goes, only the things for which it was first go to others. Nodes may see
// different candidates for a moment. So the order only saves work that would be done twice; the
// condition of the statement that does the thing keeps two nodes from both doing it.
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

// The hash of a thing that one node is to do: to adopt a bag, or to end the term of a dead node.
std::uint64_t key_of(BagNumber bag);
std::uint64_t key_of(NodeNumber dead, Term term);

// A candidate of twice the weight is first for about twice as many keys. Work: the sum of weights.
std::optional<NodeNumber> first_for(std::uint64_t key, std::span<const Candidate> candidates);

// How many of the candidates come before node; weights do not count. A node that is not among them
// comes last.
unsigned rank_for(std::uint64_t key, std::span<const Candidate> candidates, NodeNumber node);

}  // namespace postwain::qmgr::cluster
