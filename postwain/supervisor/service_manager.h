// The service manager that started us: systemd, or anything that speaks its notify protocol
// (sd_notify(3)) and hands over sockets (sd_listen_fds(3)). Home of libsystemd. Without one
// (started by hand, in a container) everything here does nothing and returns nothing.
//
// Only the supervisor speaks to it: its processes come and go without the manager's knowledge.
#pragma once

#include <string>
#include <vector>

#include "common/base/file.h"
#include "common/net/loop.h"

namespace postwain::tool {

// Sockets a socket unit opened for us, with close-on-exec set. The variables that announced them
// are gone afterwards, so this works once. The error names the first that is no listening stream
// socket.
Result<std::vector<UniqueFd>> take_passed_sockets();

class ServiceManager {
 public:
  explicit ServiceManager(net::Loop& loop);
  ~ServiceManager() = default;
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  // All listeners accept. From now on the watchdog of the unit (WatchdogSec=) is fed twice in its
  // period by the loop: a supervisor that hangs is replaced.
  void ready(const std::string& status);
  // A new configuration is being taken over; ready() ends it, whether it was taken or refused.
  void reloading();
  void stopping();

 private:
  net::Timer watchdog_;
};

}  // namespace postwain::tool
