// The pace at which leases go to a destination, or to the hosts behind several: what
// DestinationRates keeps with each of them.
#pragma once

#include <cstdint>
#include <map>

#include "common/base/time.h"

#include "qmgr/scheduling/step_wait.h"

namespace postwain::qmgr {

// `rate` or `drain_rate` of a route.
struct LeaseRate {
  std::uint32_t count = 0;  // leases per period; 0: no limit
  Duration period{};

  explicit operator bool() const { return count > 0; }
  bool operator==(const LeaseRate&) const = default;
  Duration gap() const { return period / count; }
  // A tenth of the period's amount may go at once after a pause.
  Duration burst() const { return period / 10; }
  cluster::Rate shared() const { return {count, period}; }
};

// The slower one comes first. Both have a count.
struct SlowerRate {
  bool operator()(const LeaseRate& a, const LeaseRate& b) const {
    // Counts have 32 bits and periods are a day at most, so nothing overflows.
    const std::int64_t of_a = a.period.count() * b.count;
    const std::int64_t of_b = b.period.count() * a.count;
    return of_a != of_b ? of_a > of_b : a.count < b.count;
  }
};

// This node's own count: when the next lease is due.
struct LeasePace {
  WallTime next{};
  // The same without the leases that went while other nodes shared the rate.
  WallTime alone{};

  void take(Duration gap, WallTime now, bool shared) {
    next = std::max(next, now) + gap;
    if (!shared) alone = next;
  }
};

struct DestinationPace : LeasePace {
  StepWait<WallTime> told;
  LeaseRate counted;  // in the MX set's `wanted`; nothing where it is in none
};

struct MxSetPace : LeasePace {
  // Where the rate is shared: those of the members that have something to send, each with how many
  // members that are.
  std::map<LeaseRate, std::uint32_t, SlowerRate> wanted;
};

}  // namespace postwain::qmgr
