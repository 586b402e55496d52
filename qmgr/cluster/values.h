// The values of a queue that several nodes share: which node has which part of it, and what shows
// that a node lives. The numbers are those of the shared database's rows. Code that reads rows
// makes these values by the functions that check (node_number, bag_number, node_state), so that
// they are always within their bounds.
//
// node   a machine with one qmgr. Its number is its range of worker numbers in queue ids.
// term   the number of one life of a node within the cluster. It is raised at each registration,
//        and by the node that fences it.
// bag    one of the kBags partitions of the queue. It belongs to one node at a time.
// lane   a connection by which a node writes. A transaction commits only while the lane's token in
//        the database is the one that the node knows.
// beat   the heartbeat: a counter that a node raises while it lives. Only whether it changes has a
//        meaning.
// word   the answer to a beat. It proves that the node's term had not been ended when the beat was
//        sent.
#pragma once

#include <bit>
#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>

#include "common/base/time.h"
#include "common/mail/queue_id.h"

namespace postwain::qmgr::cluster {

constexpr unsigned kNodes = 32;
constexpr unsigned kBags = mail::kBags;

// Readings of it are passed in (common/base/time.h).
using postwain::BootClock;
using postwain::BootTime;

// clang-tidy 14 takes a defaulted comparison for a null pointer (modernize-use-nullptr).
struct NodeNumber {
  std::uint8_t value = 0;                               // below kNodes
  auto operator<=>(const NodeNumber&) const = default;  // NOLINT(modernize-use-nullptr)
};
struct BagNumber {
  std::uint8_t value = 0;                              // below kBags
  auto operator<=>(const BagNumber&) const = default;  // NOLINT(modernize-use-nullptr)
};
struct Term {
  std::int64_t value = 0;
  auto operator<=>(const Term&) const = default;  // NOLINT(modernize-use-nullptr)
};
struct Token {
  std::int64_t value = 0;
  auto operator<=>(const Token&) const = default;  // NOLINT(modernize-use-nullptr)
};
struct Beat {
  std::int64_t value = 0;
  auto operator<=>(const Beat&) const = default;  // NOLINT(modernize-use-nullptr)
};
struct Word {
  BootTime sent{};  // when the beat that it answers was sent, by the own clock
  auto operator<=>(const Word&) const = default;  // NOLINT(modernize-use-nullptr)
};

constexpr std::optional<NodeNumber> node_number(std::int64_t stored) {
  if (stored < 0 || stored >= kNodes) return std::nullopt;
  return NodeNumber{static_cast<std::uint8_t>(stored)};
}
constexpr std::optional<BagNumber> bag_number(std::int64_t stored) {
  if (stored < 0 || stored >= kBags) return std::nullopt;
  return BagNumber{static_cast<std::uint8_t>(stored)};
}

// A token consists of the term that it belongs to and of how often it was raised within that term.
// Other nodes raise the term, the node itself raises the count. So a node that raised its own token
// and got no answer can still tell whether its term goes on: it asks whether the token belongs_to()
// that term.
constexpr unsigned kTokenRaiseBits = 20;
constexpr Token first_token(Term term) {
  return {static_cast<std::int64_t>(static_cast<std::uint64_t>(term.value) << kTokenRaiseBits)};
}
// The bounds of a term's tokens, as a statement compares them: first_token() ≤ token < this.
constexpr Token beyond_tokens(Term term) {
  return first_token({term.value + 1});
}
constexpr bool belongs_to(Token token, Term term) {
  return first_token(term) <= token && token < beyond_tokens(term);
}

// The state in the row of a node. gone: no node lives under that number, and its bags wait to be
// adopted. draining: it lives, and gives its bags away.
enum class NodeState : std::uint8_t { gone = 0, live = 1, draining = 2 };
constexpr std::optional<NodeState> node_state(std::int64_t stored) {
  if (stored < 0 || stored > 2) return std::nullopt;
  return static_cast<NodeState>(stored);
}

// A set of bags.
class BagSet {
 public:
  constexpr BagSet() = default;
  static constexpr BagSet of_bits(std::uint64_t bits) {
    BagSet set;
    set.bits_ = bits;
    return set;
  }
  constexpr void add(BagNumber bag) { bits_ |= bit(bag); }
  constexpr void remove(BagNumber bag) { bits_ &= ~bit(bag); }
  constexpr bool has(BagNumber bag) const { return (bits_ & bit(bag)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr unsigned size() const { return static_cast<unsigned>(std::popcount(bits_)); }
  constexpr std::uint64_t bits() const { return bits_; }
  constexpr BagSet without(BagSet other) const { return of_bits(bits_ & ~other.bits_); }
  // Calls what(BagNumber) for each, the lowest first.
  template <class What>
  constexpr void for_each(What what) const {
    for (std::uint64_t left = bits_; left != 0; left &= left - 1)
      what(BagNumber{static_cast<std::uint8_t>(std::countr_zero(left))});
  }
  constexpr bool operator==(const BagSet&) const = default;

 private:
  static constexpr std::uint64_t bit(BagNumber bag) { return std::uint64_t{1} << bag.value; }
  std::uint64_t bits_ = 0;
};

// The weight by which a node gets its share of the bags: its number of processors, or what its
// operator says.
constexpr std::uint16_t kWeightMost = 256;

// A row of `node`, as a beat has read it.
struct NodeRow {
  NodeNumber id;
  Term term;
  NodeState state = NodeState::gone;
  Beat beat;
  std::uint16_t weight = 1;  // 1 … kWeightMost; anything else counts as the nearest of these
  bool busy = false;         // jobs are waiting there, or its processors are overloaded
  bool idle = false;         // it has room for more work
};
// A row of `bag`. It has no owner before the first node has taken it.
struct BagRow {
  BagNumber id;
  std::optional<NodeNumber> owner;
};

}  // namespace postwain::qmgr::cluster
