// What the end of a process means, in words for whoever reads the log. Pure.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "common/base/time.h"
#include "postwain/process/error_output.h"

namespace postwain::tool {

// "exit 1", "signal 11 (Segmentation fault)".
std::string how_it_ended(int wait_status);

// A fault of the process itself, or of who took it over, has ended it: no signal that we send, and
// none that somebody sends to have it end.
bool is_crash(int wait_status);

// What is known of the cause, and what to do about it. Both empty: nothing more than how it ended.
struct EndCause {
  std::string cause;
  std::string advice;
};
EndCause cause_of_end(int wait_status, const PrintedLines& said);

// Counts the deaths in a row before a process was ready. The third is reported, once, until it has
// been ready again.
class FailedStarts {
 public:
  static constexpr int kReported = 3;

  void ready() { count_ = 0; }
  // It died; true: now is the time to report.
  bool died(bool was_ready) {
    if (was_ready) count_ = 0;
    return !was_ready && ++count_ == kReported;
  }

 private:
  int count_ = 0;
};

// Counts deaths that come again and again, whether or not the process was ready between them. The
// third within kWithin is reported, once, until that long has passed without any.
class Relapses {
 public:
  static constexpr int kReported = 3;
  static constexpr Duration kWithin = std::chrono::minutes(10);

  // It died; true: now is the time to report.
  bool died(MonoTime now);
  bool over(MonoTime now) const { return deaths_.empty() || now - deaths_.back() >= kWithin; }

 private:
  std::deque<MonoTime> deaths_;
  bool reported_ = false;
};

}  // namespace postwain::tool
