#include "postwain/client/progress.h"

#include <cstdio>

#include <unistd.h>

#include <fmt/format.h>

namespace postwain::tool {

namespace {

// The first line comes late, so that quick commands show none.
constexpr std::chrono::milliseconds kFirst{500};
constexpr std::chrono::milliseconds kBetween{250};

}  // namespace

Progress::Progress(std::string what, std::size_t total)
    : what_(std::move(what)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) == 1),
      next_(std::chrono::steady_clock::now() + kFirst) {}

void Progress::reach(std::size_t done) {
  done_ = done;
  if (!terminal_) return;
  auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + kBetween;
  shown_ = true;
  if (total_ > 0)
    fmt::print(stderr, "\r{} {} of {} ({} %)\033[K", what_, done_, total_, done_ * 100 / total_);
  else
    fmt::print(stderr, "\r{} {}\033[K", what_, done_);
  std::fflush(stderr);
}

void Progress::end() {
  if (!shown_) return;
  shown_ = false;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
}

}  // namespace postwain::tool
