// The supervisor at the control connection: commands that are its own are passed on to it and its
// answers back, and the configuration that it offers at a reload is taken.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

#include "qmgr/control/operator_peers.h"

namespace postwain::qmgr {

class SupervisorRelay {
 public:
  // Takes a bundle of the configuration, or says what is wrong with it.
  using OnConfig = std::function<Result<bool>(std::string_view bundle)>;
  SupervisorRelay(OperatorPeers& peers, OnConfig on_config)
      : peers_(peers), on_config_(std::move(on_config)) {}

  // The newest one counts.
  void connected(std::uint64_t peer) { supervisor_ = peer; }
  // Whoever waits for an answer of a supervisor that is lost hears that it is gone.
  void lost(std::uint64_t peer);
  bool is_supervisor(std::uint64_t peer) const { return supervisor_ == peer; }

  // request: the JSON as it came.
  void relay(Asker asker, const std::string& request);
  // What only the supervisor sends. False: it is none of that, or not of the supervisor.
  bool frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload);

 private:
  bool answered(std::string_view payload);
  bool config_update(std::uint64_t peer, std::string_view payload);

  OperatorPeers& peers_;
  OnConfig on_config_;
  std::optional<std::uint64_t> supervisor_;
  std::map<std::uint64_t, Asker> relayed_;  // by the number of our own request
  std::uint64_t last_relayed_ = 0;
};

}  // namespace postwain::qmgr
