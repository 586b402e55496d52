#include "qmgr/scheduling/destination_health.h"

#include <algorithm>

namespace postwain::qmgr {

void DestinationHealth::set_cap(std::uint32_t cap, bool steep) {
  steep_ = steep;
  cap_ = std::max<std::uint32_t>(cap == 0 ? kWindowMax : cap, 1);
  initial_ = std::min<double>(wanted_initial_, cap_);
  window_ = std::min(window_, cap_);
}

std::uint32_t DestinationHealth::slots(WallTime now) const {
  if (opens_ > 0) return now < hold_until_ ? 0 : 1;
  return static_cast<std::uint32_t>(window_);
}

bool DestinationHealth::succeeded() {
  proven_ = true;
  failures_ = 0;
  if (opens_ > 0) {
    close();
    return true;
  }
  window_ = std::min(cap_, window_ + (steep_ || window_ < initial_ ? 1.0 : 1.0 / window_));
  return false;
}

bool DestinationHealth::failed(WallTime now, const BreakerSteps& steps,
                               const std::vector<Duration>& retry, double unit, bool spread) {
  strained();
  ++failures_;
  // Attempts that began before the breaker opened tell nothing new.
  if (opens_ > 0 && now < hold_until_) return false;
  if (opens_ == 0) {
    if (failures_ < kCohort && !spread) return false;
    opened_at_ = now;
  }
  double step = static_cast<double>(steps.first.count());
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(opens_, 16); ++i) step *= 2;
  step = std::min(step, static_cast<double>(steps.last.count())) * (0.9 + 0.2 * unit);
  Duration hold(static_cast<std::int64_t>(step));
  if (!retry.empty()) hold = std::min(hold, retry[std::min<std::size_t>(opens_, retry.size() - 1)]);
  ++opens_;
  hold_until_ = now + hold;
  forget_trial();
  return true;
}

void DestinationHealth::strained() {
  window_ = std::max(1.0, window_ - 1.0);
}

void DestinationHealth::restore(std::uint32_t opens, WallTime opened_at, WallTime hold_until) {
  opens_ = opens;
  opened_at_ = opened_at;
  hold_until_ = hold_until;
  forget_trial();
}

void DestinationHealth::close() {
  opens_ = 0;
  failures_ = 0;
  window_ = std::min<double>(kWindowSlowStart, cap_);
  forget_trial();
}

}  // namespace postwain::qmgr
