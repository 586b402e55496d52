// A rate that holds over the whole cluster. One row keeps the moment from which on the next step is
// free. A node moves that moment on by a slice, for as many steps as it needs soon, and spreads the
// steps over that time. So there is one sequence for all nodes, by the database's clock. What a
// node had taken and not used is lost. Pure arithmetic.
#pragma once

#include <cstdint>

#include "qmgr/cluster/values.h"

namespace postwain::qmgr::cluster {

// A rate: `steps` in `per`. Values below 1 count as 1.
struct Rate {
  std::uint32_t steps = 1;
  Duration per = std::chrono::seconds(1);
  bool operator==(const Rate&) const = default;
};

// The time of so many steps, rounded up, so that no rounding makes the rate faster.
Duration time_of(const Rate& rate, std::uint32_t steps);
// How many steps to take at once: what is wanted, as many as fit into `most`, one at least.
std::uint32_t slice_size(const Rate& rate, std::uint64_t wanted, Duration most);

// What is taken: `steps` steps, the first of them at `first`, the others each a gap later.
struct Slice {
  BootTime first{};  // by the clock of the node that has taken it
  std::uint32_t steps = 0;
  Duration span{};  // up to the moment from which on the next slice is free

  // When its step `number` (from 0) is due.
  BootTime at(std::uint32_t number) const;
  // How many of them are due before `moment`.
  std::uint32_t steps_before(BootTime moment) const;
};

// The arithmetic of the statement that moves a row (qmgr/store/pace_table.h, where a wish has these
// values). next: the moment in the row; its own epoch and that of now are the same.
struct Moved {
  Duration stood{};  // seen from now
  WallTime next{};   // what the row says from then on
};
Moved moved(WallTime next, WallTime now, Duration burst, Duration span, Duration most);

}  // namespace postwain::qmgr::cluster
