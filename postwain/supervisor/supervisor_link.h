// The supervisor's line to qmgr: tells it the processes, and does what the command line asks for
// through it (stop, reload). Start order never matters; the line comes back by itself.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/config/load/bundle.h"
#include "common/daemon/qmgr_link.h"
#include "common/net/loop.h"
#include "postwain/supervisor/supervisor.h"

namespace postwain::tool {

class SupervisorLink {
 public:
  SupervisorLink(net::Loop& loop, Supervisor& supervisor, std::string config_file);
  ~SupervisorLink();
  SupervisorLink(const SupervisorLink&) = delete;
  SupervisorLink& operator=(const SupervisorLink&) = delete;

  void send_processes();
  void reload_by_signal();
  void close();  // so that the loop can end

 private:
  using Answer = std::function<void(int exit_code, const std::string& json)>;

  void connect();
  bool frame(ipc::FrameType type, std::string_view payload);
  void asked(std::uint64_t request, const std::string& json);
  void reload(Answer answer);
  void offer(config::Loaded loaded);
  void offered(int exit_code, const std::string& json);
  void finish_reload(int exit_code, const std::string& json);

  net::Loop& loop_;
  Supervisor& supervisor_;
  std::string config_file_;
  std::unique_ptr<daemon::QmgrLink> link_;
  net::Timer offer_timer_;
  std::uint64_t next_request_ = 1;
  std::uint64_t offer_request_ = 0;  // 0: none is open
  config::Loaded offered_;
  Answer answer_;  // of the reload under way
};

}  // namespace postwain::tool
