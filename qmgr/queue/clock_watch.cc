#include "qmgr/queue/clock_watch.h"

#include "common/log/log.h"

namespace postwain::qmgr {

bool ClockWatch::look(WallTime now, MonoTime mono) {
  ObservedTime::Look look = observed_.look(now, mono);
  if (look.gap) core_.store.write(ClockFact(AllClockGaps{observed_.gaps()}));
  // Set back: what is stored stays, so that the next start sees it, too.
  if (look.jumped ? look.gap.has_value() : now - stored_at_ >= kClockHeartbeat) {
    stored_at_ = now;
    core_.store.write(ClockFact(LastSeen{now}));
  }
  if (look.jumped)
    log::Line(log::Level::warning, "clock_jumped")
        .kv("by", (look.by < Duration(0) ? "-" : "+") + format_duration(std::chrono::abs(look.by)));
  return look.jumped;
}

}  // namespace postwain::qmgr
