// Whether a filter that has failed again and again is asked at all: without it each message would
// wait for a dead filter as long as its time limits say. After some failures in a row nobody is
// sent there for a while; then one message at a time tries it. Pure; the time is handed in.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/time.h"

namespace postwain::filter {

constexpr std::uint32_t kFailuresToOpen = 5;
constexpr Duration kFirstPause = std::chrono::seconds(10);
constexpr Duration kLongestPause = std::chrono::minutes(2);

class Breaker {
 public:
  enum class State : std::uint8_t { closed, open, trying };
  // What a message gets that asks whether it may go to the filter. A trial tells how it ended, by
  // exactly one of succeeded(), failed() and gave_up().
  enum class Leave : std::uint8_t { no, go, trial };

  Leave ask(MonoTime now);
  // Whether nobody is to be sent there now; no trial begins by asking.
  bool keeps_away(MonoTime now) const {
    return state_ == State::trying || (state_ == State::open && now < until_);
  }

  // Each tells whether the state is another one now.
  bool succeeded();
  bool failed(MonoTime now, Leave leave);
  // The message ended without the filter's word.
  void gave_up(Leave leave);

  State state() const { return state_; }
  Duration pause() const { return pause_; }  // of the open state

 private:
  State state_ = State::closed;
  std::uint32_t failures_ = 0;  // in a row
  Duration pause_{};
  MonoTime until_{};
};
std::string_view name_of(Breaker::State state);

}  // namespace postwain::filter
