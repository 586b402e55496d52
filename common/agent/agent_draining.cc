// The end of a delivery client, at a reload or when everything stops: what it was lent and has not
// begun goes back, and nothing that qmgr sent is left unread.
#include <utility>

#include "common/agent/agent.h"
#include "common/agent/report.h"

namespace postwain::agent {

namespace {

constexpr Duration kDrainStep = std::chrono::milliseconds(20);

mail::Outcome going_away() {
  return local_outcome(mail::Disposition::deferred, mail::Stage::local, mail::Blame::nobody,
                       {4, 3, 2}, "the delivery client is shutting down");
}

}  // namespace

// For an attempt nobody works on.
void Agent::give_back(Attempt& attempt) {
  settle_all(services_, attempt, going_away());
}

void Agent::drain() {
  if (std::exchange(draining_, true)) return;
  MonoTime now = loop_.now();
  drain_until_ = now + kDrainMax;
  answer_until_ = now + setup_.nothing_more_wait;
  if (link_.up()) say_draining();
  for (Attempt* attempt : signing_.take_all()) give_back(*attempt);
  for (auto& [key, destination] : destinations_) {
    for (Attempt* attempt : destination->take_waiting()) give_back(*attempt);
    destination->close();
  }
  drain_timer_.repeat(kDrainStep, [this] { drain_step(); });
}

// To each qmgr anew: one that has just been started knows nothing of it.
void Agent::say_draining() {
  answer_until_ = loop_.now() + setup_.nothing_more_wait;
  link_.send(ipc::Draining{});
}

bool Agent::take_nothing_more(std::string_view payload) {
  ipc::NothingMore answer;
  if (!ipc::decode(payload, answer) || !draining_ || nothing_more_) return false;
  nothing_more_ = true;
  return true;
}

// Whether a lease may be on its way to us. Who ends then leaves it unread, and qmgr must take it
// for perhaps carried out, which makes its mail wait long.
bool Agent::may_be_lent() const {
  if (loop_.now() >= answer_until_) return false;
  return link_.up() ? !nothing_more_ : link_.greeting();
}

void Agent::drain_step() {
  if (drained_) return;
  bool late = loop_.now() >= drain_until_;
  if (late) {
    for (auto& [address, attempt] : attempts_)
      if (attempt->connection != nullptr)
        attempt->connection->abandon("the delivery client is shutting down");
  }
  if ((!attempts_.empty() || may_be_lent()) && !late) return;
  send_notes();
  if (link_.up() && link_.pending() > 0 && loop_.now() < drain_until_ + kDrainStep * 10) return;
  if (late && link_.up() && !with_news_.empty()) return;  // reported at the end of this turn
  drained_ = true;
  for (auto& [key, destination] : destinations_) destination->close();
  notes_timer_.stop();
  drain_timer_.stop();
  sweep_timer_.stop();
  if (setup_.on_drained) setup_.on_drained();
}

}  // namespace postwain::agent
