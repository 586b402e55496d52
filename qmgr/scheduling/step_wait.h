// What SharedRates has said of one's next step, kept so that it is asked once and not again at
// every look. Pure; told the time, of whichever clock.
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "common/base/time.h"

#include "qmgr/scheduling/shared_rates.h"

namespace postwain::qmgr {

// What keys in the table of rates begin with, and their octets.
constexpr std::string_view kDestinationRates = "rate:";
constexpr std::string_view kMxSetRates = "set:";
constexpr std::string_view kConnectionRates = "conn:";
constexpr std::size_t kRateKeyMax = 2000;
// Where it is not known when a step is due, it is asked for again after so long, even if nobody has
// said that it may be known.
constexpr Duration kUnknownStepMax = std::chrono::seconds(10);
// However far ahead a step is, it is asked for again after so long.
constexpr Duration kKnownStepMax = std::chrono::hours(1);

template <class Time>
class StepWait {
 public:
  // True: a step is due, and take() may follow. Else bars() holds until due(), and where
  // is_unknown() it is to be asked again as soon as more is known.
  bool ask(SharedRates& rates, const std::string& key, const cluster::Rate& rate, Duration burst,
           Time now) {
    forget();
    const std::optional<Duration> wait = rates.wait(key, rate, burst);
    if (wait && *wait <= Duration{}) return true;
    rate_ = rate;
    unknown_ = !wait;
    due_ = now + (wait ? std::min(*wait, kKnownStepMax) : kUnknownStepMax);
    return false;
  }
  // Whether that was said of this rate, and still holds.
  bool bars(const cluster::Rate& rate, Time now) const {
    return due_ > now && rate_.steps == rate.steps && rate_.per == rate.per;
  }
  bool is_unknown() const { return unknown_; }
  Time due() const { return due_; }
  bool is_kept() const { return due_ != Time{}; }
  void forget() {
    due_ = {};
    unknown_ = false;
  }

 private:
  cluster::Rate rate_;
  Time due_{};
  bool unknown_ = false;
};

}  // namespace postwain::qmgr
