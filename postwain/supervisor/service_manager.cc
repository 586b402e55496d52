#include "postwain/supervisor/service_manager.h"

#include <ctime>

#include <fcntl.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

namespace postwain::tool {

namespace {

// A manager that cannot be told is the manager's problem; mail goes on.
void notify(const std::string& state) {
  (void)::sd_notify(0, state.c_str());
}

}  // namespace

Result<std::vector<UniqueFd>> take_passed_sockets() {
  std::vector<UniqueFd> out;
  int count = ::sd_listen_fds(1);
  if (count < 0) return system_error("sockets passed by the service manager", -count);
  for (int i = 0; i < count; ++i) out.emplace_back(SD_LISTEN_FDS_START + i);
  for (const UniqueFd& fd : out)
    if (::sd_is_socket(fd.get(), AF_UNSPEC, SOCK_STREAM, 1) <= 0)
      return Error{fmt::format("descriptor {} passed by the service manager is no listening stream "
                               "socket (ListenStream= is wanted, with Accept=no)",
                               fd.get()),
                   EINVAL};
  return out;
}

ServiceManager::ServiceManager(net::Loop& loop) : watchdog_(loop) {}

void ServiceManager::ready(const std::string& status) {
  notify("READY=1\nSTATUS=" + status);
  std::uint64_t period_us = 0;
  if (watchdog_.active() || ::sd_watchdog_enabled(0, &period_us) <= 0) return;
  auto half = std::chrono::duration_cast<Duration>(std::chrono::microseconds(period_us / 2));
  watchdog_.repeat(half, [] { notify("WATCHDOG=1"); });
}

void ServiceManager::reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  notify(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reloading",
                     std::int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000));
}

void ServiceManager::stopping() {
  notify("STOPPING=1\nSTATUS=finishing sessions and deliveries");
}

}  // namespace postwain::tool
