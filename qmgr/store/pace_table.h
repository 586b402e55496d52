// Rates that hold over several nodes (qmgr/cluster/pace.h): a row for each key keeps the moment, by
// the database's clock, from which on the next step is free. Whoever takes steps moves that moment
// on, so there is one sequence for all nodes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

// Octets of a key.
constexpr std::size_t kPaceKeyMax = 2048;
// Wishes of one call.
constexpr std::size_t kPaceWishesMax = 200;

class PaceTable {
 public:
  struct Wish {
    std::string key;
    Duration burst{};  // so much time that nobody has used is free still
    Duration span{};   // by how much the moment moves; below zero: what was taken is given back
    // The moment stands no further ahead than this before it moves: a row that says more is
    // believed to say this.
    Duration most{};
  };

  virtual ~PaceTable() = default;

  // One transaction, for good. For each wish, in their order: where the moment stood before it
  // moved, seen from the database's present; below zero, down to -burst, where time was free. Keys
  // stand there once each, and at most kPaceWishesMax of them. away: each may have been taken or
  // not; what was taken for nothing delays others by that span.
  virtual StoreResult<std::vector<Duration>> take(std::span<const Wish> wishes) = 0;
  // Rows that say nothing any more are removed, as many as one call should.
  virtual StoreStatus sweep() = 0;
};

}  // namespace postwain::qmgr
