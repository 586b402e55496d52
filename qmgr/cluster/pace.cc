#include "qmgr/cluster/pace.h"

#include <algorithm>

namespace postwain::qmgr::cluster {

Duration time_of(const Rate& rate, std::uint32_t steps) {
  std::int64_t per = std::max<std::int64_t>(rate.per.count(), 1);
  std::int64_t all = std::max<std::int64_t>(rate.steps, 1);
  // Whole periods first: what is multiplied then is smaller than one period.
  std::int64_t whole = steps / all * per;
  return Duration(whole + (steps % all * per + all - 1) / all);
}

std::uint32_t slice_size(const Rate& rate, std::uint64_t wanted, Duration most) {
  const auto per = static_cast<std::uint64_t>(std::max<std::int64_t>(rate.per.count(), 1));
  const auto time = static_cast<std::uint64_t>(std::max<std::int64_t>(most.count(), 1));
  const std::uint64_t fits = time * std::max<std::uint64_t>(rate.steps, 1) / per;
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(wanted, 1, std::clamp<std::uint64_t>(fits, 1, UINT32_MAX)));
}

BootTime Slice::at(std::uint32_t number) const {
  if (steps == 0) return first;
  return first + Duration(span.count() * std::min(number, steps) / steps);
}

// The first step that is not: at() is rounded down, so this is rounded up.
std::uint32_t Slice::steps_before(BootTime moment) const {
  if (moment <= first) return 0;
  const Duration passed = std::chrono::duration_cast<Duration>(moment - first);
  if (passed >= span) return steps;
  return static_cast<std::uint32_t>((passed.count() * steps + span.count() - 1) / span.count());
}

Moved moved(WallTime next, WallTime now, Duration burst, Duration span, Duration most) {
  const WallTime stood = std::min(std::max(next, now - burst), now + most);
  return {stood - now, std::max(stood + span, now - burst)};
}

}  // namespace postwain::qmgr::cluster
