#include "filter/rspamd/scan_connection.h"

#include <algorithm>
#include <utility>

namespace postwain::filter {

using ipc::FilterFailure;

ScanConnection::ScanConnection(Shared& shared, const config::Filter& settings, MemberOwner& owner)
    : shared_(shared),
      settings_(settings),
      owner_(owner),
      alarm_(shared.clock.alarm()),
      dial_(shared, settings_.socket, [this](const Status& status) { connected(status); }) {
  watch(true);
}

void ScanConnection::connected(const Status& status) {
  if (failure_ != FilterFailure::none) return;
  if (!status) return failed(FilterFailure::unreachable, status.error().text);
  stream_ = dial_.take();
  stream_.start({
      .on_data = [this](std::string_view octets) { received(octets); },
      .on_end = [this] { ended(); },
      .on_error = [this](const Error& error) { failed(FilterFailure::closed, error.text); },
      .on_drained =
          [this] {
            watch(true);
            owner_.member_changed();
          },
      .on_descriptor = {},
  });
  connected_ = true;
  stream_.write(std::exchange(waiting_, {}));
  watch(true);
}

void ScanConnection::write(std::string_view octets) {
  if (failure_ != FilterFailure::none || answer() != nullptr) return;
  if (connected_)
    stream_.write(octets);
  else
    waiting_ += octets;
  watch(false);
}

void ScanConnection::finish() {
  finished_ = true;
  watch(true);
}

void ScanConnection::received(std::string_view octets) {
  if (!reader_.receive(octets)) return failed(FilterFailure::protocol, reader_.failure());
  watch(true);
  if (answer() != nullptr) owner_.member_changed();
}

void ScanConnection::ended() {
  if (!reader_.end()) return failed(FilterFailure::closed, reader_.failure());
  watch(true);
  owner_.member_changed();
}

void ScanConnection::failed(FilterFailure failure, std::string why) {
  if (failure_ != FilterFailure::none || answer() != nullptr) return;
  failure_ = failure;
  why_ = std::move(why);
  watch(true);
  stream_.reset();
  owner_.member_changed();
}

void ScanConnection::late() {
  if (!connected_) return failed(FilterFailure::late, "it does not take the connection in time");
  bool of_message = waited() >= settings_.timeout.message;
  failed(FilterFailure::late,
         of_message ? "it takes too long for the message" : "it does not answer in time");
}

// anew: it has done something, and a new wait begins.
void ScanConnection::watch(bool anew) {
  bool waits = failure_ == FilterFailure::none && answer() == nullptr &&
               (!connected_ || finished_ || stream_.pending() > 0);
  if (waits && waits_since_ && !anew) return;
  waited_ = waited();
  waits_since_.reset();
  if (!waits) return alarm_->stop();
  waits_since_ = shared_.clock.mono();
  Duration one = connected_ ? settings_.timeout.reply : settings_.timeout.connect;
  Duration rest = std::max(settings_.timeout.message - waited_, Duration(0));
  alarm_->start(std::min(one, rest), [this] { late(); });
}

Duration ScanConnection::waited() const {
  return waits_since_ ? waited_ + (shared_.clock.mono() - *waits_since_) : waited_;
}

}  // namespace postwain::filter
