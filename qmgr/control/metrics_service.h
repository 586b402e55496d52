// Serves the process `metrics`, which may know the numbers of qmgr and nothing else: whatever it
// asks is answered with the page of the metrics.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "qmgr/peers/peer_service.h"

namespace postwain::qmgr {

class MetricsService : public PeerService {
 public:
  explicit MetricsService(std::function<std::string()> page) : page_(std::move(page)) {}

  void connected(std::uint64_t peer, daemon::IpcConnection& connection,
                 const PeerIdentity& identity) override;
  bool frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) override;
  void lost(std::uint64_t peer) override;

 private:
  std::function<std::string()> page_;
  std::map<std::uint64_t, daemon::IpcConnection*> peers_;
};

}  // namespace postwain::qmgr
