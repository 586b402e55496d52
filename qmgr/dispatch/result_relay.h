// Passes on what the agents tell of TLS (RFC 8460), and what `filter` tells of DMARC (RFC 9990), to
// the process that reports it. qmgr decides nothing by it and keeps little: no mail hangs on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "common/daemon/ipc_connection.h"

#include "qmgr/model/reporter_board.h"
#include "qmgr/peers/peer_service.h"

namespace postwain::qmgr {

constexpr std::size_t kResultFramesKept = 20;      // while the reporter is away; the oldest go
constexpr std::size_t kResultFrameMax = 1U << 20;  // bytes; a larger one is refused
constexpr std::size_t kReporterBehind = 8U << 20;  // bytes it has not read; then nothing is passed

// It serves beside other parts: those who send results, and the reporter, which gets them.
class ResultRelay : public PeerService {
 public:
  // Outlives it; gets what the reporter tells of itself.
  explicit ResultRelay(ReporterBoard& board) : board_(board) {}

  void connected(std::uint64_t peer, daemon::IpcConnection& connection,
                 const PeerIdentity& identity) override;
  bool frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) override;
  void lost(std::uint64_t peer) override;

 private:
  struct Reporter {
    std::uint64_t peer;
    daemon::IpcConnection* connection;
  };

  ReporterBoard& board_;
  std::vector<Reporter> reporters_;  // during a reload there are two, and the newer one counts
  std::deque<std::string> kept_;     // frames
};

}  // namespace postwain::qmgr
