#include "postwain/process/end_of_process.h"

#include <algorithm>
#include <csignal>
#include <cstring>

#include <sys/wait.h>

#include <fmt/format.h>

#include "common/base/sysexits.h"

namespace postwain::tool {

namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

EndCause of_signal(int number) {
  switch (number) {
    case SIGSYS:
      return {"it made a system call that its sandbox does not allow",
              "`postwain selftest` names the calls that the libraries of this machine need and do "
              "not get; [sandbox] mode = \"on\" refuses a call and logs its name where \"strict\" "
              "ends the process; where no library explains it, somebody may have taken the process "
              "over"};
    case SIGKILL:
      return {"somebody ended it, or the kernel did because memory ran out",
              "see the kernel's log (dmesg) for \"Out of memory\""};
    case SIGXFSZ:
      return {"a file grew to the largest size its limits allow",
              "raise or remove the limit (ulimit -f, LimitFSIZE= of the unit)"};
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGABRT:
      return {"it crashed", "please report this with the lines of the log above it"};
    default:
      return {};
  }
}

// What C++ prints when nobody can go on: the limits of the process, or of its control group.
bool says_out_of_memory(const PrintedLines& said) {
  constexpr std::string_view kWords[] = {"std::bad_alloc", "Resource temporarily unavailable",
                                         "Cannot allocate memory", "out of memory"};
  return std::any_of(said.last().begin(), said.last().end(), [&](const std::string& line) {
    return std::any_of(std::begin(kWords), std::end(kWords),
                       [&](std::string_view word) { return line.find(word) != std::string::npos; });
  });
}

EndCause of_exit(int code) {
  switch (code) {
    case 127:
      return {"its program could not be begun", "is the installation whole? see the log above"};
    case kExitConfig:
      return {"the configuration does not serve it", "run: postwain check"};
    case kExitUsage:
      return {"it was started with options it does not know",
              "are all programs of the same version? see: postwain version"};
    default:
      return {"", "see what the process itself logged above"};
  }
}

}  // namespace

std::string how_it_ended(int wait_status) {
  if (WIFEXITED(wait_status)) return fmt::format("exit {}", WEXITSTATUS(wait_status));
  if (WIFSIGNALED(wait_status))
    return fmt::format("signal {} ({})", WTERMSIG(wait_status), ::strsignal(WTERMSIG(wait_status)));
  return "unknown";
}

bool is_crash(int wait_status) {
  if (!WIFSIGNALED(wait_status)) return false;
  switch (WTERMSIG(wait_status)) {
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGSEGV:
    case SIGSYS:
      return true;
    default:
      return false;
  }
}

EndCause cause_of_end(int wait_status, const PrintedLines& said) {
  EndCause out;
  if (WIFSIGNALED(wait_status)) out = of_signal(WTERMSIG(wait_status));
  if (WIFEXITED(wait_status)) out = of_exit(WEXITSTATUS(wait_status));
  if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGABRT && says_out_of_memory(said))
    out = {"memory or threads ran out",
           "raise the limit it runs under (MemoryMax=, TasksMax=, LimitAS= of the unit; ulimit -v, "
           "-u), or let it need less ([limits] connections)"};
  if (said.refused().empty()) return out;
  // The likeliest of all causes: it cannot live without what was refused.
  out.cause = "the sandbox refused it " + joined(said.refused());
  out.advice =
      "`postwain selftest` shows what the libraries of this machine need; please report the names "
      "of the calls; until then [sandbox] mode = \"off\" lets it work, with fewer walls";
  return out;
}

bool Relapses::died(MonoTime now) {
  if (over(now)) reported_ = false;
  deaths_.push_back(now);
  while (now - deaths_.front() >= kWithin) deaths_.pop_front();
  if (deaths_.size() > kReported) deaths_.pop_front();
  bool now_is_it = !reported_ && deaths_.size() == kReported;
  reported_ = reported_ || now_is_it;
  return now_is_it;
}

}  // namespace postwain::tool
