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

EndCause cause_of_end(int wait_status, const PrintedLines& said) {
  EndCause out;
  if (WIFSIGNALED(wait_status)) out = of_signal(WTERMSIG(wait_status));
  if (WIFEXITED(wait_status)) out = of_exit(WEXITSTATUS(wait_status));
  if (said.refused().empty()) return out;
  // The likeliest of all causes: it cannot live without what was refused.
  out.cause = "the sandbox refused it " + joined(said.refused());
  out.advice =
      "`postwain selftest` shows what the libraries of this machine need; please report the names "
      "of the calls; until then [sandbox] mode = \"off\" lets it work, with fewer walls";
  return out;
}

}  // namespace postwain::tool
