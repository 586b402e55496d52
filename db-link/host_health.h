// What the log hears of one host: that it was reached, once, and each failure, but not more than
// one in a second. Pure: it is told the time.
#pragma once

#include "common/base/time.h"

namespace postwain::dblink {

constexpr Duration kLogEvery = std::chrono::seconds(1);

// Of lines that somebody else brings about as often as he likes.
class LogPause {
 public:
  // True: the last line is long enough ago, and this is one.
  bool over(MonoTime now);

 private:
  bool any_ = false;
  MonoTime last_{};
};

class HostHealth {
 public:
  // True: this failure is to be told.
  bool failed(MonoTime now);
  // True: this is news, because the host was not reached before, or has failed since.
  bool reached();

 private:
  bool reached_ = false;
  LogPause pause_;
};

}  // namespace postwain::dblink
