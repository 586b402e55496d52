#include "postwain/process/error_output.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "common/base/text.h"
#include "common/log/log.h"
#include "common/sandbox/refusals.h"

namespace postwain::tool {

std::vector<PrintedLines::Line> PrintedLines::take(std::string_view bytes, MonoTime now) {
  std::vector<Line> out;
  for (char c : bytes) {
    if (c == '\n')
      add(out, now);
    else if (begun_.size() < kLineMax)
      begun_ += c;
  }
  return out;
}

std::vector<PrintedLines::Line> PrintedLines::take_rest(MonoTime now) {
  std::vector<Line> out;
  add(out, now);
  return out;
}

void PrintedLines::add(std::vector<Line>& out, MonoTime now) {
  Line line{std::move(begun_), true};
  begun_.clear();
  if (line.text.empty()) return;
  constexpr Duration kMinute = std::chrono::minutes(1);
  if (minute_ == MonoTime{} || now - minute_ >= kMinute) {
    minute_ = now;
    in_minute_ = 0;
  }
  line.to_be_logged = ++in_minute_ <= kPerMinute;
  if (auto call = sandbox::refused_call(line.text)) {
    if (refused_.size() < kRefusedKept) refused_.push_back(*call);
  } else {
    if (last_.size() == kKept) last_.pop_front();
    last_.push_back(line.text);
  }
  out.push_back(std::move(line));
}

ErrorOutput::ErrorOutput(net::Loop& loop, std::string process)
    : loop_(loop), process_(std::move(process)) {}

Result<UniqueFd> ErrorOutput::open() {
  close();
  lines_ = {};
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return system_error("pipe", errno);
  pipe_ = UniqueFd(ends[0]);
  watcher_ = std::make_unique<net::FdWatcher>(loop_, pipe_.get(), [this](bool, bool) { read(); });
  watcher_->watch(true, false);
  return UniqueFd(ends[1]);
}

void ErrorOutput::read() {
  // Not for ever: it may be written faster than it is read.
  constexpr int kReadsAtOnce = 16;
  char bytes[4096];
  for (int i = 0; i < kReadsAtOnce; ++i) {
    ssize_t got = ::read(pipe_.get(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {  // everybody has closed the other end
      watcher_.reset();
      pipe_.reset();
      return;
    }
    log(lines_.take({bytes, static_cast<std::size_t>(got)}, mono_now()));
  }
}

void ErrorOutput::close() {
  if (pipe_) read();
  log(lines_.take_rest(mono_now()));
  watcher_.reset();
  pipe_.reset();
}

void ErrorOutput::log(const std::vector<PrintedLines::Line>& lines) const {
  for (const PrintedLines::Line& line : lines) {
    if (!line.to_be_logged) continue;
    if (auto call = sandbox::refused_call(line.text))
      log::Line(log::Level::warning, "call_refused")
          .kv("process", process_)
          .kv("call", *call)
          .kv("hint", "see: postwain selftest");
    else
      log::Line(log::Level::warning, "said").kv("process", process_).kv("text", line.text);
  }
}

}  // namespace postwain::tool
