#include "filter/milter/milter_connection.h"

#include <algorithm>
#include <utility>

#include "filter/deciding/filter_rules.h"
#include "filter/milter/outside_filter.h"

namespace postwain::filter {

using ipc::FilterFailure;

namespace {

constexpr Duration kGoodbye = std::chrono::seconds(1);
constexpr std::size_t kWriteAtOnce = 64U << 10;

}  // namespace

MilterConnection::MilterConnection(Shared& shared, const OutsideFilter& filter,
                                   config::FilterRights may, MemberOwner& owner)
    : shared_(shared),
      settings_(filter.settings()),
      owner_(&owner),
      may_(may),
      wait_(shared.clock, settings_.timeout,
            [this](std::string why) { failed(FilterFailure::late, std::move(why)); }),
      dial_(shared, settings_.socket, [this](const Status& status) { connected(status); }) {
  engine_.allow(milter_actions(may));
  watch(true);
}

MilterConnection::~MilterConnection() {
  shared_.loop.forget_turn_end(this);
}

void MilterConnection::connected(const Status& status) {
  if (failure_ != FilterFailure::none) return;
  if (!status) return failed(FilterFailure::unreachable, status.error().text);
  stream_ = dial_.take();
  connected_ = true;
  stream_.start({
      .on_data = [this](std::string_view octets) { received(octets); },
      .on_end = [this] { failed(FilterFailure::closed, "it closed the connection"); },
      .on_error = [this](const Error& error) { failed(FilterFailure::closed, error.text); },
      .on_drained =
          [this] {
            watch(true);
            owner_->member_changed();
          },
      .on_descriptor = {},
  });
  write();
  watch(true);
}

void MilterConnection::received(std::string_view octets) {
  if (!engine_.receive(octets)) return failed(FilterFailure::protocol, engine_.failure());
  (void)engine_.take_progress();
  push_anew(true);
  // Filters on libmilter write each answer and each change by itself.
  if (engine_.is_waiting() && engine_.output_size() == 0) stream_.acknowledge();
  owner_->member_changed();
}

void MilterConnection::write() {
  if (!connected_ || failure_ != FilterFailure::none) return;
  std::string octets = engine_.take_output();
  if (!octets.empty()) stream_.write(octets);
}

void MilterConnection::push_anew(bool anew) {
  if (engine_.output_size() >= kWriteAtOnce)
    write();
  else if (engine_.output_size() > 0)
    shared_.loop.at_turn_end(this, [this] { write_at_turn_end(); });
  watch(anew);
}

// What the socket takes at once is never heard of as drained, and whoever has seen it wait here
// waits for that.
void MilterConnection::write_at_turn_end() {
  write();
  if (ready() && stream_.pending() == 0) owner_->member_changed();
}

void MilterConnection::fail(FilterFailure failure, std::string why) {
  if (failure_ != FilterFailure::none) return;
  failure_ = failure;
  why_ = std::move(why);
  engine_.fail(why_);
  watch(true);
  stream_.reset();
}

void MilterConnection::failed(FilterFailure failure, std::string why) {
  fail(failure, std::move(why));
  owner_->member_changed();
}

// anew: the filter has done something, and a new wait begins.
void MilterConnection::watch(bool anew) {
  bool waits = failure_ == FilterFailure::none &&
               (!connected_ || engine_.is_waiting() || stream_.pending() > 0);
  wait_.look(waits, connected_, anew);
}

void MilterConnection::attach(MemberOwner& owner) {
  owner_ = &owner;
  begin_message();
}

bool MilterConnection::end_session() {
  if (!ready() || engine_.is_waiting() || engine_.is_spent()) return false;
  engine_.quit(true);
  push();
  return true;
}

void MilterConnection::quit() {
  if (!connected_ || failure_ != FilterFailure::none) return;
  engine_.quit(false);
  write();
  stream_.close_after_flush(kGoodbye);
  fail(FilterFailure::closed, "the session is over");
}

}  // namespace postwain::filter
