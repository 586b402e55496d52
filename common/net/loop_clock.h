// The system's clocks, with alarms that ring on the event loop.
#pragma once

#include "common/base/clock.h"
#include "common/net/loop.h"

namespace postwain::net {

class LoopClock final : public Clock {
 public:
  explicit LoopClock(Loop& loop) : loop_(loop) {}
  WallTime wall() const override { return wall_now(); }
  MonoTime mono() const override { return mono_now(); }
  std::unique_ptr<Alarm> alarm() override { return std::make_unique<LoopAlarm>(loop_); }

 private:
  class LoopAlarm final : public Alarm {
   public:
    explicit LoopAlarm(Loop& loop) : timer_(loop) {}
    void start(Duration after, std::function<void()> fn) override {
      timer_.start(after, std::move(fn));
    }
    void stop() override { timer_.stop(); }
    bool active() const override { return timer_.active(); }

   private:
    Timer timer_;
  };

  Loop& loop_;
};

}  // namespace postwain::net
