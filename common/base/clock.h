// The clocks and the alarm of a part that waits: what runs in a process takes those of its event
// loop, a test takes time that it sets itself.
#pragma once

#include <functional>
#include <memory>

#include "common/base/time.h"

namespace postwain {

// Calls a function once, after a while. Destroyed or stopped before: never.
class Alarm {
 public:
  virtual ~Alarm() = default;
  virtual void start(Duration after, std::function<void()> fn) = 0;
  virtual void stop() = 0;
  virtual bool active() const = 0;
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall() const = 0;
  virtual MonoTime mono() const = 0;
  // The clock outlives its alarms.
  virtual std::unique_ptr<Alarm> alarm() = 0;
};

}  // namespace postwain
