// Octets that may leave at their time only. As soon as there is one, what is sent goes through
// kept_: the stream is given what comes before the next marked octet, or, while that may leave, as
// much as the kernel takes at once. So nothing that contains one ever waits in the stream.
#include <utility>

#include "common/daemon/channel.h"

namespace postwain::daemon {

namespace {

constexpr std::size_t kGoneMax = 256U << 10;  // of kept_, before the rest moves to its beginning

}  // namespace

// Without marked octets on their way it is the stream's.
void Channel::put(std::string_view bytes) {
  if (cut_) return;
  if (kept_left() == 0) return stream_.write(bytes);
  kept_.append(bytes);
  write_kept();
}

// For the wire, as it stands behind what has been kept.
void Channel::keep(std::string_view bytes) {
  if (!tls_) {
    kept_.append(bytes);
    return;
  }
  tls_->send(bytes);
  kept_.append(tls_->take_output());
}

void Channel::look_again() {
  write_kept();
  if (pending() == 0) owed_ = false;
  if (pending() == 0 && std::exchange(flooded_, false) && !paused_) stream_.resume();
}

void Channel::drop_held() {
  if (marks_.empty()) return;
  marks_.clear();
  kept_.clear();
  kept_at_ = 0;
  cut_ = true;
}

void Channel::write_kept() {
  while (kept_left() > 0 && stream_.pending() == 0) {
    if (!marks_.empty() && callbacks_->may_leave()) took(stream_.write_some(kept_rest()));
    std::size_t free = marks_.empty() ? kept_left() : marks_.front() - 1 - kept_at_;
    if (kept_left() == 0) break;
    if (free == 0) {
      callbacks_->on_held();
      break;
    }
    stream_.write(kept_rest().substr(0, free));
    took(free);
  }
  tidy_kept();
}

// So many octets of kept_ have been handed on.
void Channel::took(std::size_t octets) {
  kept_at_ += octets;
  while (!marks_.empty() && marks_.front() <= kept_at_) {
    marks_.pop_front();
    callbacks_->on_left();
  }
}

void Channel::tidy_kept() {
  if (kept_left() > 0 && kept_at_ < kGoneMax) return;
  for (std::size_t& mark : marks_) mark -= kept_at_;
  kept_.erase(0, std::exchange(kept_at_, 0));
}

}  // namespace postwain::daemon
