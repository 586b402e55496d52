// Time that a test sets, with alarms that ring when it passes them.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/clock.h"

namespace postwain::test {

class VirtualClock final : public Clock {
 public:
  explicit VirtualClock(WallTime wall) : wall_(wall) {}

  WallTime wall() const override { return wall_; }
  MonoTime mono() const override { return mono_; }
  std::unique_ptr<Alarm> alarm() override { return std::make_unique<VirtualAlarm>(*this); }

  // Rings what is due on the way, each at its own time.
  void pass(Duration time) {
    MonoTime end = mono_ + time;
    while (VirtualAlarm* next = first_until(end)) {
      move_to(*next->due);
      next->due.reset();
      std::exchange(next->fn, nullptr)();
    }
    move_to(end);
  }
  // The system's clock is set; nothing else notices.
  void set_wall(WallTime wall) { wall_ = wall; }

 private:
  struct VirtualAlarm final : Alarm {
    explicit VirtualAlarm(VirtualClock& its_clock) : clock(its_clock) {
      clock.alarms_.push_back(this);
    }
    ~VirtualAlarm() override { std::erase(clock.alarms_, this); }
    void start(Duration after, std::function<void()> what) override {
      due = clock.mono_ + after;
      fn = std::move(what);
    }
    void stop() override { due.reset(); }
    bool active() const override { return due.has_value(); }

    VirtualClock& clock;
    std::optional<MonoTime> due;
    std::function<void()> fn;
  };

  VirtualAlarm* first_until(MonoTime end) const {
    VirtualAlarm* first = nullptr;
    for (VirtualAlarm* one : alarms_)
      if (one->due && *one->due <= end && (first == nullptr || *one->due < *first->due))
        first = one;
    return first;
  }
  void move_to(MonoTime mono) {
    wall_ += mono - mono_;
    mono_ = mono;
  }

  WallTime wall_;
  MonoTime mono_{};
  std::vector<VirtualAlarm*> alarms_;
};

}  // namespace postwain::test
