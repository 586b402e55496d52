#include "postwain/process/backoff.h"

#include <algorithm>

namespace postwain::tool {

Duration Backoff::after_run(Duration lived) {
  constexpr int kTimesTheWait = 5;
  Duration healthy = std::min(last_ * kTimesTheWait, kHealthyAtMost);
  bool first = last_ == Duration(0);
  last_ = first || lived >= healthy ? kFirst : std::min(last_ * 2, kLongest);
  return last_;
}

}  // namespace postwain::tool
