#include "filter/rspamd/scan_connection.h"

#include <algorithm>
#include <utility>

namespace postwain::filter {

using ipc::FilterFailure;

ScanConnection::ScanConnection(Shared& shared, const config::Filter& settings, MemberOwner& owner)
    : shared_(shared),
      settings_(settings),
      owner_(owner),
      wait_(shared.clock, settings_.timeout,
            [this](std::string why) { failed(FilterFailure::late, std::move(why)); }),
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
  // What the socket has taken at once is not heard of as drained.
  if (stream_.pending() == 0) owner_.member_changed();
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

// anew: it has done something, and a new wait begins.
void ScanConnection::watch(bool anew) {
  bool waits = failure_ == FilterFailure::none && answer() == nullptr &&
               (!connected_ || finished_ || stream_.pending() > 0);
  wait_.look(waits, connected_, anew);
}

}  // namespace postwain::filter
