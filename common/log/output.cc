#include "common/log/output.h"

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log/descriptor.h"

namespace postwain::log {

namespace {

constexpr std::chrono::seconds kTryAgain{1};

std::atomic<int> standard_error = STDERR_FILENO;

// A socket is written without waiting, too, and a pipe in pieces that other writers cannot break.
ssize_t write_some(int fd, const char* bytes, std::size_t size, bool socket) {
  if (socket) return ::send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  return ::write(fd, bytes, size);
}

bool is_socket(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode);
}

}  // namespace

void use_descriptor(int fd) {
  standard_error = fd;
}

std::string_view default_socket(Target target) {
  return target == Target::journal ? "/run/systemd/journal/socket" : "/dev/log";
}

bool Output::open(Target target, std::string socket) {
  target_ = target;
  path_ = socket.empty() ? std::string(default_socket(target)) : std::move(socket);
  socket_.reset();
  next_try_ = {};
  if (target == Target::standard_error || connect()) return true;
  target_ = Target::standard_error;
  return false;
}

bool Output::connect() {
  auto now = std::chrono::steady_clock::now();
  if (now < next_try_) return false;
  next_try_ = now + kTryAgain;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) return false;
  path_.copy(address.sun_path, path_.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return false;
  socket_ = std::move(fd);
  return true;
}

void Output::take(std::string record) {
  if (pending_bytes_ + record.size() > kPendingMax) {
    ++dropped_;
    return;
  }
  pending_bytes_ += record.size();
  pending_.push_back(std::move(record));
}

void Output::flush() {
  if (!send_all()) return;
  pending_bytes_ = 0;
}

std::uint64_t Output::take_dropped() {
  if (!pending_.empty()) return 0;
  return std::exchange(dropped_, 0);
}

bool Output::send_all() {
  if (target_ == Target::standard_error) return write_lines();
  return send_datagrams();
}

bool Output::send_datagrams() {
  bool connected_anew = false;
  while (!pending_.empty()) {
    const std::string& record = pending_.front();
    if (!socket_ && !connect()) return false;
    ssize_t sent = ::send(socket_.get(), record.data(), record.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS)) return false;
    if (sent < 0 && errno != EMSGSIZE) {
      // The daemon has gone; another one may be there already.
      socket_.reset();
      if (std::exchange(connected_anew, true)) return false;
      next_try_ = {};
      continue;
    }
    if (sent < 0) ++dropped_;  // larger than the kernel takes
    pending_bytes_ -= record.size();
    pending_.pop_front();
  }
  return true;
}

// A pipe takes up to PIPE_BUF bytes as a whole or not at all.
bool Output::write_lines() {
  bool socket = is_socket(standard_error);
  std::string piece;
  while (!pending_.empty()) {
    std::size_t lines = 0;
    piece.clear();
    while (lines < pending_.size() &&
           (lines == 0 || piece.size() + pending_[lines].size() <= PIPE_BUF))
      piece += pending_[lines++];
    ssize_t written = write_some(standard_error, piece.data(), piece.size(), socket);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    // A file on a full disk, or nobody behind the pipe: the lines are lost, mail is not.
    std::size_t left = written < 0 ? 0 : piece.size() - static_cast<std::size_t>(written);
    if (written < 0) dropped_ += lines;
    for (; lines > 0; --lines) {
      pending_bytes_ -= pending_.front().size();
      pending_.pop_front();
    }
    if (left == 0) continue;
    pending_.push_front(piece.substr(piece.size() - left));
    pending_bytes_ += left;
  }
  return true;
}

void make_standard_error_patient() {
  struct stat info {};
  if (::fstat(STDERR_FILENO, &info) != 0) return;
  if (!S_ISFIFO(info.st_mode) && !S_ISCHR(info.st_mode)) return;
  UniqueFd own(::open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_APPEND | O_CLOEXEC));
  if (own) (void)::dup2(own.get(), STDERR_FILENO);
}

}  // namespace postwain::log
