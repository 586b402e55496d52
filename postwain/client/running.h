// Whether a supervisor (`postwain run`) works in a runtime folder, and how it is told to end where
// the way through qmgr is closed. The kernel is asked, never a number in a file: the supervisor has
// a record lock (fcntl) on the first byte of postwain.lock as long as it lives, and the kernel
// names who has it. Only root and whoever owns the folder can have one.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

#include "common/base/file.h"
#include "common/base/result.h"
#include "common/base/time.h"

namespace postwain::tool {

std::string lock_file(const std::string& runtime_dir);

// The supervisor says that it runs: lock is what lock_runtime_dir() gave. No other descriptor of
// that file may be closed in this process until its end, since that would end the lock.
Status mark_running(int lock);

// Its number; 0: the kernel names none to us, because it is one of another PID namespace.
// std::nullopt: no supervisor runs.
std::optional<pid_t> running_supervisor(const std::string& runtime_dir);

// Ends the supervisor as SIGTERM does. Made before a command gives up root's rights for good, which
// it keeps in a process of its own until then; that one knows nothing but this signal.
class SupervisorStop {
 public:
  // std::nullopt: no supervisor runs.
  static std::optional<SupervisorStop> prepare(const std::string& runtime_dir);
  SupervisorStop(SupervisorStop&& other) noexcept;
  SupervisorStop& operator=(SupervisorStop&&) = delete;
  ~SupervisorStop();

  // An error's code is one of sysexits.h.
  Status send();
  // False: it is still there.
  bool wait_until_gone(Duration at_most) const;

 private:
  SupervisorStop() = default;
  void keep_rights();

  UniqueFd process_;  // names it, whoever has its number later; none: unseen_ says why not
  std::string unseen_;
  UniqueFd helper_end_;  // of a socket pair; none: our own rights are those that count
  pid_t helper_ = 0;
};

}  // namespace postwain::tool
