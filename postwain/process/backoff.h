// When a process that died is started again. Pure: no clock, no processes.
#pragma once

#include "common/base/time.h"

namespace postwain::tool {

// 1, 2, 4 … 30 s. A run that was long against the wait before it shows that the process works, and
// starts the row anew: so a single accident costs a second, and a process that dies as soon as it
// begins does not keep the machine busy.
class Backoff {
 public:
  static constexpr Duration kFirst = std::chrono::seconds(1);
  static constexpr Duration kLongest = std::chrono::seconds(30);
  static constexpr Duration kHealthyAtMost = std::chrono::minutes(1);

  // How long to wait after a run of that length.
  Duration after_run(Duration lived);

 private:
  Duration last_{};
};

}  // namespace postwain::tool
