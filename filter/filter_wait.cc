#include "filter/filter_wait.h"

#include <algorithm>
#include <utility>

namespace postwain::filter {

FilterWait::FilterWait(Clock& clock, const config::FilterTimeouts& limits,
                       std::function<void(std::string)> late)
    : clock_(clock), limits_(limits), late_(std::move(late)), alarm_(clock.alarm()) {}

void FilterWait::look(bool waits, bool connected, bool anew) {
  connected_ = connected;
  if (waits && since_ && !anew) return;
  before_ = waited();
  since_.reset();
  if (!waits) return alarm_->stop();
  since_ = clock_.mono();
  Duration one = connected ? limits_.reply : limits_.connect;
  Duration rest = std::max(limits_.message - before_, Duration(0));
  alarm_->start(std::min(one, rest), [this] { over(); });
}

void FilterWait::over() {
  if (!connected_) return late_("it does not take the connection in time");
  bool of_message = waited() >= limits_.message;
  late_(of_message ? "it takes too long for the message" : "it does not answer in time");
}

void FilterWait::begin_message() {
  if (since_) since_ = clock_.mono();
  before_ = {};
}

Duration FilterWait::waited() const {
  return since_ ? before_ + (clock_.mono() - *since_) : before_;
}

}  // namespace postwain::filter
