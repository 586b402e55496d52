// What every daemon's main() has in common: its arguments, its configuration bundle, log, signals.
//
// The supervisor starts a daemon as   NAME --name smtpd[0] --bundle-fd 3 [--listener-fd N]...
// [--ready-fd N] with its user already set. For trying one by hand:   NAME --config FILE.
// [--log-fd N]: where log lines go instead of standard error, which then is for the libraries and
// for the last words of a process. Of the self-test: with --attempt-from N it only tries to break
// out of its confinement (sandbox/attempts.h), and reports to the ready descriptor; with
// --exercise NAME it only does within it what its libraries need (exercise.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/config/load/bundle.h"
#include "common/daemon/exercise.h"
#include "common/net/loop.h"

namespace postwain::daemon {

struct Start {
  std::string name;               // "smtpd[0]"
  config::Loaded loaded;          // checked: no diagnostics
  std::vector<int> listener_fds;  // smtpd: one per [[listener]], in order
  int ready_fd = -1;
  const config::Config& config() const { return loaded.config; }
};

// Reads the arguments and the bundle, sets up the log, ignores SIGPIPE, and sees to it that no
// event loop gets a ring and that a refused system call is told (common/sandbox). On a mistake it
// prints it and ends the process with a sysexits code. exercises: what this program's libraries are
// for, for the self-test.
Start begin(const std::string& program, int argc, char** argv, const Exercises& exercises = {});

// Tells the supervisor that this process can do its work now (one byte to the ready descriptor,
// which is then closed). A later call does nothing.
void announce_ready(Start& start);

// Flushes the log shortly after a line (50 ms; warnings at once); calls drain at SIGTERM and SIGINT
// (a second one ends the process at once), and retire, if given, at SIGHUP.
class Signals {
 public:
  Signals(net::Loop& loop, std::function<void()> drain, std::function<void()> retire = {});
  ~Signals();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace postwain::daemon
