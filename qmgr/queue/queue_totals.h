// How much the queue holds: what was there at the start is counted in the background, scan window
// by scan window; and which message is the oldest, asked for from time to time.
#pragma once

#include "qmgr/shared/queue_core.h"

namespace postwain::qmgr {

constexpr std::size_t kCountMessages = 2000;  // of one scan window (queue_counts.h)

class QueueTotals {
 public:
  explicit QueueTotals(QueueCore& core) : core_(core) {}

  // last: the newest message there is at the start.
  void start(mail::QueueId last);
  // Parts of the queue have come or gone.
  void restart();
  const QueueCounts& counts() const { return core_.counts; }

  // Asks the store which message is the oldest; oldest() tells it a moment later. Zero: none.
  void look_for_oldest();
  WallTime oldest() const { return core_.counts.messages() > 0 ? oldest_ : WallTime{}; }

 private:
  void count_next();

  QueueCore& core_;
  WallTime oldest_{};
  bool looking_ = false;
  std::uint64_t round_ = 0;  // of counting; what an earlier one reads is of no use
};

}  // namespace postwain::qmgr
