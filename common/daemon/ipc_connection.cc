#include "common/daemon/ipc_connection.h"

#include <algorithm>
#include <utility>

#include <sys/stat.h>

namespace postwain::daemon {

namespace {

// Frames leave before the end of the turn when this much is waiting, so that a turn with large
// content stays bounded.
constexpr std::size_t kFlushAt = 1U << 20;
// A descriptor comes with the first bytes of a batch and waits for its frame, so few can wait.
constexpr std::size_t kDescriptorsWaitingMax = 16;

}  // namespace

IpcConnection::IpcConnection(net::Loop& loop, net::Stream stream, Callbacks callbacks)
    : loop_(loop),
      stream_(std::move(stream)),
      callbacks_(std::make_shared<Callbacks>(std::move(callbacks))) {
  stream_.start({
      .on_data = [this](std::string_view bytes) { received(bytes); },
      .on_end = [this] { over("closed by the other side"); },
      .on_error = [this](const Error& error) { over(error.text); },
      .on_drained =
          [this] {
            auto keep = callbacks_;
            resume(Pause::unread);
            if (keep->on_drained) keep->on_drained();
          },
      .on_descriptor =
          [this](UniqueFd descriptor) {
            ipc::FileMark mark = mark_of(descriptor);
            descriptors_.push_back({mark, std::move(descriptor)});
            if (descriptors_.size() > kDescriptorsWaitingMax) descriptors_.pop_front();
          },
  });
}

IpcConnection::~IpcConnection() {
  loop_.forget_turn_end(this);
  loop_.forget_turn_end(&in_);
  if (destroyed_ != nullptr) *destroyed_ = true;
  if (out_.empty()) return;
  // What was sent in this turn still leaves: a last reply before an orderly close.
  flush();
  stream_.close_after_flush(std::chrono::seconds(1));
}

void IpcConnection::sent() {
  if (out_.size() >= kFlushAt) return flush();
  loop_.at_turn_end(this, [this] { turn_ended(); });
}

void IpcConnection::end_after_turn() {
  ending_ = true;
  loop_.at_turn_end(this, [this] { turn_ended(); });
}

void IpcConnection::turn_ended() {
  flush();
  if (std::exchange(ending_, false)) over("a message is too large for a frame");
}

void IpcConnection::flush() {
  if (out_.empty()) return;
  stream_.write(out_);
  emptied();
}

void IpcConnection::flush_with(UniqueFd descriptor) {
  stream_.write(out_, std::move(descriptor));
  emptied();
}

void IpcConnection::emptied() {
  if (out_.capacity() > 2 * kFlushAt)
    std::string().swap(out_);
  else
    out_.clear();
}

UniqueFd IpcConnection::take_descriptor(const ipc::FileMark& mark) {
  auto found = std::find_if(descriptors_.begin(), descriptors_.end(),
                            [&](const Arrived& one) { return one.mark == mark; });
  if (found == descriptors_.end()) return {};
  UniqueFd own = std::move(found->descriptor);
  descriptors_.erase(found);
  return own;
}

ipc::FileMark IpcConnection::mark_of(const UniqueFd& descriptor) {
  struct stat info {};
  if (::fstat(descriptor.get(), &info) != 0) return {};
  return {info.st_dev, info.st_ino};
}

void IpcConnection::pause(Pause why) {
  if (paused_ == 0) stream_.pause();
  paused_ = static_cast<std::uint8_t>(paused_ | static_cast<std::uint8_t>(why));
}

void IpcConnection::resume(Pause why) {
  if (paused_ == 0) return;
  paused_ = static_cast<std::uint8_t>(paused_ & ~static_cast<std::uint8_t>(why));
  if (paused_ != 0 || !callbacks_->on_closed) return;
  stream_.resume();
  // Whoever resumes does not expect calls, or its own end, from what has come already.
  if (!in_.empty()) loop_.at_turn_end(&in_, [this] { received({}); });
}

// What the kernel takes at once is read by nobody yet, but bounded there.
void IpcConnection::look_at_unread() {
  if (pending() > unread_max_) flush();
  if (pending() > unread_max_) pause(Pause::unread);
}

void IpcConnection::received(std::string_view bytes) {
  bool gone = false;
  // The usual case: whole frames, handled straight from the read block.
  if (in_.empty()) {
    std::size_t used = handle(bytes, gone);
    if (!gone && used < bytes.size()) in_.assign(bytes.substr(used));
    return;
  }
  in_.append(bytes);
  // Handlers must not see the buffer change under their payload.
  std::string whole = std::move(in_);
  in_.clear();
  std::size_t used = handle(whole, gone);
  if (gone) return;
  whole.erase(0, used);
  in_ = std::move(whole);
}

std::size_t IpcConnection::handle(std::string_view bytes, bool& gone) {
  auto keep = callbacks_;
  bool* outer = destroyed_;
  destroyed_ = &gone;
  std::size_t used = 0;
  // One block can hold thousands of requests, each with a large answer: so it is looked at after
  // each of them.
  while (paused_ == 0) {
    ipc::Frame frame;
    ipc::FrameState state = ipc::next_frame(bytes.substr(used), frame);
    if (state == ipc::FrameState::incomplete) break;
    bool valid = state == ipc::FrameState::complete;
    if (valid) valid = keep->on_frame(frame.type, frame.payload);
    if (gone) {
      if (outer != nullptr) *outer = true;
      return used;
    }
    if (!valid) {
      // The owner is told and may destroy us; if it does not, nothing more is read.
      bool destroyed_now = false;
      destroyed_ = &destroyed_now;
      over("malformed frame");
      if (!destroyed_now)
        destroyed_ = outer;  // the owner keeps us for a while: nothing points here any more
      else if (outer != nullptr)
        *outer = true;
      gone = true;
      return used;
    }
    used += frame.consumed;
    look_at_unread();
  }
  destroyed_ = outer;
  return used;
}

void IpcConnection::over(const std::string& why) {
  auto report = std::exchange(callbacks_->on_closed, nullptr);
  stream_.pause();
  if (report) report(why);
}

}  // namespace postwain::daemon
