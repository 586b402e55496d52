#include "qmgr/dispatch/tls_result_relay.h"

#include <utility>

namespace postwain::qmgr {

void TlsResultRelay::connected(std::uint64_t peer, daemon::IpcConnection& connection,
                               const PeerIdentity& identity) {
  if (identity.role != ipc::Role::reporter) return;
  reporters_.push_back({peer, &connection});
  for (const ipc::TlsResults& told : std::exchange(kept_, {})) connection.send(told);
}

void TlsResultRelay::lost(std::uint64_t peer) {
  std::erase_if(reporters_, [peer](const Reporter& one) { return one.peer == peer; });
}

bool TlsResultRelay::frame(std::uint64_t /*peer*/, ipc::FrameType type, std::string_view payload) {
  ipc::TlsResults told;
  if (type != ipc::FrameType::tls_results) return false;
  if (payload.size() > kResultFrameMax || !ipc::decode(payload, told)) return false;
  if (!reporters_.empty()) {
    daemon::IpcConnection& connection = *reporters_.back().connection;
    if (connection.pending() < kReporterBehind) connection.send(told);
    return true;
  }
  kept_.push_back(std::move(told));
  if (kept_.size() > kResultFramesKept) kept_.pop_front();
  return true;
}

}  // namespace postwain::qmgr
