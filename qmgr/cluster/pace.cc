#include "qmgr/cluster/pace.h"

#include <algorithm>

namespace postwain::qmgr::cluster {

namespace {

// The time of so many steps, rounded up, so that no rounding makes the rate faster.
Duration time_of(const Rate& rate, std::uint32_t steps) {
  std::int64_t per = std::max<std::int64_t>(rate.per.count(), 1);
  std::int64_t all = std::max<std::int64_t>(rate.steps, 1);
  // Whole periods first: what is multiplied then is smaller than one period.
  std::int64_t whole = steps / all * per;
  return Duration(whole + (steps % all * per + all - 1) / all);
}

}  // namespace

std::uint32_t slice_size(const Rate& rate, std::uint32_t wanted) {
  std::int64_t per = std::max<std::int64_t>(rate.per.count(), 1);
  std::int64_t most = kSliceMost.count() * std::int64_t{rate.steps} / per;
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(wanted, 1, std::clamp<std::int64_t>(most, 1, UINT32_MAX)));
}

std::uint32_t account_slice_size(std::uint32_t limit) {
  return std::max<std::uint32_t>(limit / kAccountSlices, 1);
}

WallTime Slice::at(std::uint32_t number) const {
  if (steps == 0) return first;
  return first + Duration(span.count() * std::min(number, steps) / steps);
}

Slice take(const Rate& rate, WallTime next, WallTime now, Duration burst, std::uint32_t steps) {
  return {std::max(next, now - burst), steps, time_of(rate, steps)};
}

}  // namespace postwain::qmgr::cluster
