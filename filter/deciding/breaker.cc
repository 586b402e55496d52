#include "filter/deciding/breaker.h"

#include <algorithm>

namespace postwain::filter {

Breaker::Leave Breaker::ask(MonoTime now) {
  if (state_ == State::closed) return Leave::go;
  if (keeps_away(now)) return Leave::no;
  state_ = State::trying;
  return Leave::trial;
}

bool Breaker::succeeded() {
  failures_ = 0;
  pause_ = {};
  bool changed = state_ != State::closed;
  state_ = State::closed;
  return changed;
}

// Messages that were under way when the breaker opened say nothing new.
bool Breaker::failed(MonoTime now, Leave leave) {
  bool opens = state_ == State::closed && ++failures_ >= kFailuresToOpen;
  bool stays_open = state_ == State::trying && leave == Leave::trial;
  if (!opens && !stays_open) return false;
  pause_ = std::clamp(2 * pause_, kFirstPause, kLongestPause);
  until_ = now + pause_;
  state_ = State::open;
  return true;
}

// The next message is the trial.
void Breaker::gave_up(Leave leave) {
  if (leave == Leave::trial && state_ == State::trying) state_ = State::open;
}

std::string_view name_of(Breaker::State state) {
  switch (state) {
    case Breaker::State::closed:
      return "closed";
    case Breaker::State::open:
      return "open";
    case Breaker::State::trying:
      return "trying";
  }
  return "?";
}

}  // namespace postwain::filter
