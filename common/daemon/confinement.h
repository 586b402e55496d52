// What each daemon gives up before it looks at anything from outside (common/sandbox). [sandbox]
// decides whether.
#pragma once

#include <string>
#include <vector>

#include "common/config/config_fwd.h"
#include "common/sandbox/attempts.h"
#include "common/sandbox/calls.h"

namespace postwain::daemon {

// Of a program by its name ("qmgr"); a launcher for any other.
sandbox::Profile profile_of(const std::string& program);

// Two steps, because files must be given up before there are threads, and calls when everything is
// set up that needs more of them. A step that fails is logged and leaves the process less confined;
// where [sandbox] says strict it ends the process.
class Confinement {
 public:
  Confinement(std::string program, const config::Config& config);

  // Before the first thread. also: files the process has opened a way to, like a trust store that
  // is read anew.
  void give_up_files();
  // Before the loop runs. Logs what holds now.
  void give_up_calls();

 private:
  void fail(const char* what, const Error& error) const;

  std::string program_;
  const config::Config& config_;
  sandbox::Profile profile_;
  int landlock_ = 0;
};

// What the self-test is to reach for; secrets: the files of the configuration that are some.
sandbox::Targets selftest_targets(const config::Config& config);

}  // namespace postwain::daemon
