#include "filter/policy/policy_connection.h"

#include <algorithm>
#include <utility>

namespace postwain::filter {

using ipc::FilterFailure;

PolicyConnection::PolicyConnection(Shared& shared, const config::Filter& settings)
    : settings_(settings),
      alarm_(shared.clock.alarm()),
      dial_(std::make_unique<Dial>(shared, settings.socket,
                                   [this](const Status& status) { connected(status); })) {}

void PolicyConnection::ask(std::string question, Duration limit, MemberOwner& owner) {
  owner_ = &owner;
  limit_ = limit;
  ++questions_;
  engine_.ask(std::move(question));
  write();
  watch();
}

void PolicyConnection::rest() {
  owner_ = nullptr;
  alarm_->start(kPolicyIdleMax, [this] { failed(FilterFailure::closed, "nobody used it"); });
}

void PolicyConnection::connected(const Status& status) {
  if (failure_ != FilterFailure::none) return;
  if (!status) return failed(FilterFailure::unreachable, status.error().text);
  stream_ = dial_->take();
  stream_.start({
      .on_data = [this](std::string_view octets) { received(octets); },
      .on_end = [this] { failed(FilterFailure::closed, "it closed the connection"); },
      .on_error = [this](const Error& error) { failed(FilterFailure::closed, error.text); },
      .on_drained = {},
      .on_descriptor = {},
  });
  connected_ = true;
  write();
  if (engine_.is_waiting()) watch();
}

void PolicyConnection::write() {
  if (!connected_ || failure_ != FilterFailure::none) return;
  std::string octets = engine_.take_output();
  if (!octets.empty()) stream_.write(octets);
}

// The time for the connection does not count for the answer.
void PolicyConnection::watch() {
  Duration one = connected_ ? settings_.timeout.reply : settings_.timeout.connect;
  alarm_->start(std::min(one, limit_), [this] {
    failed(FilterFailure::late,
           connected_ ? "it does not answer in time" : "it does not take the connection in time");
  });
}

void PolicyConnection::received(std::string_view octets) {
  if (!engine_.receive(octets)) return failed(FilterFailure::protocol, engine_.failure());
  if (engine_.is_waiting()) return;
  alarm_->stop();
  tell();
}

void PolicyConnection::failed(FilterFailure failure, std::string why) {
  if (failure_ != FilterFailure::none) return;
  failure_ = failure;
  why_ = std::move(why);
  engine_.fail(why_);
  alarm_->stop();
  stream_.reset();
  tell();
}

void PolicyConnection::tell() {
  if (owner_ != nullptr) owner_->member_changed();
}

}  // namespace postwain::filter
