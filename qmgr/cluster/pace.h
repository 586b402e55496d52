// A rate that holds over the whole cluster. One row keeps the moment from which on the next step is
// free. A node moves that moment on by a slice, for as many steps as it needs within a second, and
// spreads the steps over that time. All moments are of the database's clock, so there is one
// sequence for all nodes. What a dead node had taken and not used is lost: less than a slice. Pure
// arithmetic.
#pragma once

#include <cstdint>

#include "common/base/time.h"

namespace postwain::qmgr::cluster {

// A rate: `steps` in `per`. Values below 1 count as 1; `per` is a day at most.
struct Rate {
  std::uint32_t steps = 1;
  Duration per = std::chrono::seconds(1);
};

constexpr Duration kSliceMost = std::chrono::seconds(1);
// An account's limit is taken in this many slices.
constexpr std::uint32_t kAccountSlices = 20;

// How many steps to take at once: what is wanted, one second's worth at most, one at least.
std::uint32_t slice_size(const Rate& rate, std::uint32_t wanted);
// The same for an account: a twentieth of its limit.
std::uint32_t account_slice_size(std::uint32_t limit);

// What is taken: `steps` steps, the first of them at `first`, the others each a gap later.
struct Slice {
  WallTime first{};
  std::uint32_t steps = 0;
  Duration span{};  // up to the moment from which on the next slice is free

  // When its step `number` (from 0) is due.
  WallTime at(std::uint32_t number) const;
  WallTime next() const { return first + span; }
};
// The arithmetic of the statement that takes a slice. next: the moment in the row. burst: for how
// much unused time steps may be taken afterwards; zero for a strict rate. steps: of slice_size() or
// account_slice_size().
Slice take(const Rate& rate, WallTime next, WallTime now, Duration burst, std::uint32_t steps);

}  // namespace postwain::qmgr::cluster
