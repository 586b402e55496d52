#include "qmgr/disk/failpoint.h"

#include <cerrno>
#include <csignal>

#include <unistd.h>

#include "common/base/check.h"

namespace postwain::qmgr {

std::atomic<bool> failpoints_armed = false;

namespace {

struct Armed {
  Failpoint point{};
  FailAction action{};
  std::uint32_t nth = 0;
  std::atomic<std::uint32_t>* reached = nullptr;
};
Armed armed;

}  // namespace

void arm(Failpoint point, FailAction action, std::uint32_t nth,
         std::atomic<std::uint32_t>* reached) {
  PW_CHECK(reached != nullptr);
  armed = {point, action, nth, reached};
  failpoints_armed.store(true);
}

Status failpoint_reached(Failpoint point) {
  if (point != armed.point || armed.reached->fetch_add(1) + 1 != armed.nth) return {};
  const FailpointInfo& info = kFailpoints[static_cast<std::size_t>(point)];
  PW_CHECK(info.point == point);
  if (armed.action == FailAction::kill) {
    ::kill(::getpid(), SIGKILL);
    ::pause();
  }
  bool full = armed.action == FailAction::no_space;
  std::string text = std::string(info.name) + (full ? ": no space (test)" : ": I/O error (test)");
  return Error{text, full ? ENOSPC : EIO};
}

}  // namespace postwain::qmgr
