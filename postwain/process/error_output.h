// What a process prints to its standard error: last words of libraries, and system calls that the
// sandbox refused (common/sandbox/refusals.h). The log has a way of its own; here everything
// becomes events of the supervisor's log, and the last lines are kept for when the process dies.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file.h"
#include "common/base/time.h"
#include "common/net/fd_watcher.h"

namespace postwain::tool {

// Lines of text that comes in pieces, from somebody who may have been taken over: each is cut, the
// last few are kept, and no more than so many a minute are to be logged. Pure.
class PrintedLines {
 public:
  static constexpr std::size_t kLineMax = 512;
  static constexpr std::size_t kKept = 5;
  static constexpr std::size_t kRefusedKept = 20;
  static constexpr int kPerMinute = 200;

  struct Line {
    std::string text;  // as it came, without its end
    bool to_be_logged = true;
  };
  // The lines that are complete now. Empty ones are left out.
  std::vector<Line> take(std::string_view bytes, MonoTime now);
  // What came without the end of a line, once nothing more comes.
  std::vector<Line> take_rest(MonoTime now);

  const std::deque<std::string>& last() const { return last_; }
  // Names of the calls that were refused, in their order.
  const std::vector<std::string>& refused() const { return refused_; }

 private:
  void add(std::vector<Line>& out, MonoTime now);

  std::string begun_;
  std::deque<std::string> last_;
  std::vector<std::string> refused_;
  MonoTime minute_{};
  int in_minute_ = 0;
};

// One process' pipe. Reads on the loop; logs `said` and `call_refused` with the process' name.
class ErrorOutput {
 public:
  ErrorOutput(net::Loop& loop, std::string process);
  ErrorOutput(const ErrorOutput&) = delete;
  ErrorOutput& operator=(const ErrorOutput&) = delete;

  // A new pipe for a new process, and nothing kept of the old one. The end it is to write to does
  // not make it wait: what a full pipe cannot take is lost.
  Result<UniqueFd> open();
  // Takes what is there still, and closes: the process has died. (A program it started may hold
  // the other end for longer.)
  void close();

  const PrintedLines& lines() const { return lines_; }

 private:
  void read();
  void log(const std::vector<PrintedLines::Line>& lines) const;

  net::Loop& loop_;
  std::string process_;
  UniqueFd pipe_;
  std::unique_ptr<net::FdWatcher> watcher_;  // goes before the pipe
  PrintedLines lines_;
};

}  // namespace postwain::tool
