#include "common/agent/pacing/end_gate.h"

#include <utility>
#include <vector>

namespace postwain::agent {

EndGate::EndGate(net::Loop& loop, std::function<BootTime()> clock)
    : clock_(std::move(clock)), step_(loop) {}

bool EndGate::take(const ipc::Word& word) {
  if (word.sent_ms < 0) return false;
  if (page_.fenced) return true;
  page_.word = smtp::LastWord{BootTime(Duration(word.sent_ms)), Duration(word.good_ms)};
  page_.fenced = word.fenced;
  look_again();
  return true;
}

// A word of the term that has ended would still be good for a moment.
void EndGate::new_term() {
  if (!page_.fenced) return;
  page_.fenced = false;
  page_.word = smtp::LastWord{};
}

smtp::EndDecision EndGate::decide(BootTime ready) const {
  return smtp::decide_end(page_, {ready, false}, clock_());
}

void EndGate::wait(Waiter& waiter) {
  waiters_.insert(&waiter);
  if (!step_.active()) step_.repeat(smtp::kGateStep, [this] { look_again(); });
}

void EndGate::forget(Waiter& waiter) {
  waiters_.erase(&waiter);
  if (waiters_.empty()) step_.stop();
}

void EndGate::look_again() {
  const std::vector<Waiter*> asked(waiters_.begin(), waiters_.end());
  for (Waiter* waiter : asked)
    if (waiters_.count(waiter) > 0) waiter->look_again();
}

}  // namespace postwain::agent
