// Ends of data that may leave at their time only (end_gate.h). The channel asks right before each
// write that contains one, and keeps back what may not leave; the engine hears of each that has
// left. What has waited too long is given up: the server has no message, and nobody is in doubt.
#include "common/agent/connection.h"

namespace postwain::agent {

namespace {

constexpr std::string_view kWordTooOld =
    "the end of the message was not sent: this machine's right to the queue was not confirmed";
constexpr std::string_view kFenced =
    "the end of the message was not sent: other machines have taken the queue over";

}  // namespace

void Connection::send_output() {
  ends_.clear();
  engine_.produce(output_, services_.gate.is_used() ? &ends_ : nullptr);
  if (!output_.empty()) channel_->send(output_, ends_);
}

// From now on the peer has it, and its time counts.
void Connection::end_left() {
  charge();
  engine_.end_left();
  mark_stages();
  set_deadline(timeout(engine_.wait()));
  held_since_.reset();
}

void Connection::end_held() {
  if (held_since_) return;
  held_since_ = services_.gate.now();
  services_.gate.wait(*this);
}

void Connection::forget_gate() {
  held_since_.reset();
  services_.gate.forget(*this);
}

// It may wait for room in the kernel as well: then the gate is open, and only the peer's time-outs
// count.
void Connection::look_again() {
  if (!held_since_ || channel_ == nullptr || !channel_->is_held()) return forget_gate();
  switch (services_.gate.decide(*held_since_)) {
    case smtp::EndDecision::wait:
      return;
    case smtp::EndDecision::give_up:
      return stop(kWordTooOld);
    case smtp::EndDecision::stop:
      return stop(kFenced);
    case smtp::EndDecision::leave:
      break;
  }
  held_since_ = services_.gate.now();
  channel_->look_again();
  if (!channel_->is_held()) forget_gate();
  set_deadline(timeout(engine_.wait()));
  pump();
}

bool Connection::waits_at_gate() const {
  return held_since_ && !services_.gate.is_open() && channel_ != nullptr && channel_->is_held();
}

}  // namespace postwain::agent
