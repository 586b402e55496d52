// When a session has been silent for too long. A deadline that is compared once a second instead of
// a timer per command. Pure: time is told.
//
// A command must be complete within command_timeout of the reply before it; bytes that drip in do
// not prolong that. Content must keep coming within data_timeout, and not slower than kContentRate
// on the whole, or a peer could hold a session open for days with a byte now and then.
#pragma once

#include <cstdint>

#include "common/base/time.h"

namespace postwain::smtpd {

constexpr std::uint64_t kContentRate = 500;                 // octets per second
constexpr int kContentGrace = 5;                            // data_timeouts before the rate counts
constexpr Duration kQmgrTimeout = std::chrono::minutes(3);  // then 451
constexpr Duration kHandshakeTimeout = std::chrono::seconds(60);

class SessionTimeout {
 public:
  enum class Phase : std::uint8_t { handshake, command, content, waiting };

  SessionTimeout(Duration command_timeout, Duration data_timeout)
      : command_timeout_(command_timeout), data_timeout_(data_timeout) {}

  // The phase begins, or a step in it was made: a command came, qmgr confirmed something.
  void enter(Phase phase, MonoTime now) {
    phase_ = phase;
    received_ = 0;
    begun_ = now;
    deadline_ = now + (phase == Phase::handshake ? kHandshakeTimeout
                       : phase == Phase::command ? command_timeout_
                       : phase == Phase::content ? data_timeout_
                                                 : kQmgrTimeout);
  }
  // Content arrived.
  void progress(std::uint64_t octets, MonoTime now) {
    received_ += octets;
    MonoTime slowest =
        begun_ + kContentGrace * data_timeout_ + std::chrono::seconds(received_ / kContentRate);
    deadline_ = now + data_timeout_ < slowest ? now + data_timeout_ : slowest;
  }
  Phase phase() const { return phase_; }
  bool exhausted(MonoTime now) const { return now >= deadline_; }

 private:
  Duration command_timeout_;
  Duration data_timeout_;
  Phase phase_ = Phase::command;
  std::uint64_t received_ = 0;
  MonoTime begun_{};
  MonoTime deadline_{};
};

}  // namespace postwain::smtpd
