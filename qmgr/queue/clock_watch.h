// Whether the system's clock jumps, and the time that nobody observed (observed_time.h): both are
// kept in the store.
#pragma once

#include "qmgr/shared/queue_core.h"
#include "qmgr/verdicts/observed_time.h"

namespace postwain::qmgr {

class ClockWatch {
 public:
  ClockWatch(QueueCore& core, ObservedTime observed)
      : core_(core), observed_(std::move(observed)) {}

  // Both clocks; called every few seconds. True: the clock has jumped, and what is planned in
  // memory is wrong. The gap, if it is one, is on its way into the store.
  bool look(WallTime now, MonoTime mono);
  const ObservedTime& observed() const { return observed_; }

 private:
  QueueCore& core_;
  ObservedTime observed_;
  WallTime stored_at_{};
};

}  // namespace postwain::qmgr
