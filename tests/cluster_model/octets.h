// How sets and attempts are kept in the octets of a state.
#pragma once

#include "qmgr/cluster/lives.h"

#include "tests/cluster_model/state.h"

namespace postwain::cluster_model {

constexpr bool has(Octet members, unsigned member) {
  return (members >> member & 1U) != 0;
}

constexpr void put(Octet& members, unsigned member, bool in) {
  auto bit = static_cast<Octet>(1U << member);
  members = static_cast<Octet>(in ? members | bit : members & ~bit);
}

// An element of Node::attempt, where 0 stands for no attempt.
constexpr Octet octet_of(cluster::AttemptLife attempt) {
  return static_cast<Octet>(static_cast<Octet>(attempt) + 1);
}

}  // namespace postwain::cluster_model
