// One place for a process: smtpd[0], qmgr … Starts it, notices that it can work, and starts it
// again after it died. What a death means for the whole is the supervisor's business.
#pragma once

#include <functional>
#include <string>

#include <sys/types.h>

#include "common/net/loop.h"
#include "common/net/stream.h"
#include "postwain/process/backoff.h"
#include "postwain/process/end_of_process.h"
#include "postwain/process/error_output.h"
#include "postwain/process/role_bundle.h"
#include "postwain/process/spawn.h"

namespace postwain::tool {

class Child {
 public:
  struct Callbacks {
    std::function<void(Child&)> on_ready;             // can do its work now
    std::function<void(Child&)> on_started;           // has a process
    std::function<void(const Error&)> on_impossible;  // cannot be started at all
  };
  // Makes what the process inherits: path, user, bundle and listeners. Asked at each start, so that
  // a reload shows.
  struct LaunchSpec {
    std::string path;
    std::optional<Identity> identity;
    config::Bundle bundle;
    std::vector<int> listeners;
  };
  using MakeLaunchSpec = std::function<LaunchSpec(Kind)>;

  Child(net::Loop& loop, Kind kind, std::string name, MakeLaunchSpec make_launch_spec,
        Callbacks callbacks);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void start();
  void stop();    // SIGTERM: finish and go; it will not be started again
  void retire();  // SIGHUP: take nothing new, finish when that is done; not started again
  // No signal: it goes on with its work until stop(), and is not started again.
  void relieve();
  void kill();  // SIGKILL
  // It died. Starts it again after a while unless it was to stop; returns that while.
  struct Death {
    Duration restart_in{};
    bool never_ready = false;   // three times in a row now, and not said before
    bool keeps_ending = false;  // so often within a while, though it was ready (Relapses)
  };
  Death died();
  // What it printed to its standard error, also after its death.
  const PrintedLines& said() const { return error_output_.lines(); }

  Kind kind() const { return kind_; }
  const std::string& name() const { return name_; }
  pid_t pid() const { return pid_; }  // 0: no process at the moment
  bool ready() const { return ready_; }
  bool stopping() const { return stopping_; }
  bool retiring() const { return retiring_; }
  bool relieved() const { return relieved_; }
  Duration lived() const;
  // Since a while it has not died.
  bool calm() const { return relapses_.over(mono_now()); }

 private:
  void watch_ready(int fd);

  net::Loop& loop_;
  Kind kind_;
  std::string name_;
  MakeLaunchSpec make_launch_spec_;
  Callbacks callbacks_;
  Backoff backoff_;
  FailedStarts failed_starts_;
  Relapses relapses_;
  ErrorOutput error_output_;
  net::Timer restart_;
  net::Stream ready_stream_;
  MonoTime started_{};
  pid_t pid_ = 0;
  bool ready_ = false;
  bool stopping_ = false;
  bool retiring_ = false;
  bool relieved_ = false;
};

}  // namespace postwain::tool
