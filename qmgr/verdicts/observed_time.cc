#include "qmgr/verdicts/observed_time.h"

#include <algorithm>

namespace postwain::qmgr {

ObservedTime::ObservedTime(std::vector<ClockGap> gaps) : gaps_(std::move(gaps)) {}

// Time cannot have gone by unseen in the future: what was stored so, by whomever, would make mail
// older than it is, or keep it for ever.
void ObservedTime::keep_to_the_past(WallTime now) {
  std::erase_if(gaps_, [&](const ClockGap& gap) {
    return gap.at < WallTime{} || gap.at > now || gap.length <= Duration(0);
  });
  // One that stands for several may be longer than the time since it began.
  for (ClockGap& gap : gaps_) gap.length = std::min(gap.length, now - WallTime{});
}

ObservedTime::Start ObservedTime::start(WallTime last_seen, WallTime now, MonoTime mono) {
  wall_ = now;
  mono_ = mono;
  keep_to_the_past(now);
  Start start;
  if (last_seen <= WallTime{}) return start;
  start.set_back = std::clamp(last_seen - now, Duration(0), kSetBackMost);
  // The heartbeat is that coarse.
  if (now - last_seen >= kClockGapMin + kClockHeartbeat) {
    // What came in after the last heartbeat is older than the gap, too.
    start.gap = ClockGap{last_seen + kClockHeartbeat, now - last_seen};
    add(*start.gap);
  }
  return start;
}

ObservedTime::Look ObservedTime::look(WallTime now, MonoTime mono) {
  Look look;
  if (wall_ == WallTime{}) {  // never started: there is nothing to compare with
    wall_ = now;
    mono_ = mono;
    return look;
  }
  look.by = (now - wall_) - std::chrono::duration_cast<Duration>(mono - mono_);
  look.jumped = look.by >= kClockGapMin || look.by <= -kClockGapMin;
  if (look.by >= kClockGapMin) {
    look.gap = ClockGap{now - look.by, look.by};
    add(*look.gap);
  }
  wall_ = now;
  mono_ = mono;
  return look;
}

void ObservedTime::add(ClockGap gap) {
  auto place = std::lower_bound(gaps_.begin(), gaps_.end(), gap,
                                [](const ClockGap& a, const ClockGap& b) { return a.at < b.at; });
  if (place != gaps_.end() && place->at == gap.at)
    place->length = std::max(place->length, gap.length);
  else
    gaps_.insert(place, gap);
  if (gaps_.size() <= kClockGapsMax) return;
  // Messages between the two get more time than they should; never less.
  gaps_[1].length += gaps_[0].length;
  gaps_.erase(gaps_.begin());
}

Duration ObservedTime::unobserved_since(WallTime received_at) const {
  Duration sum{};
  for (const ClockGap& gap : gaps_)
    if (gap.at >= received_at) sum += gap.length;
  return sum;
}

}  // namespace postwain::qmgr
