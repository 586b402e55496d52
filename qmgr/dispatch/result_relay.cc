#include "qmgr/dispatch/result_relay.h"

#include <utility>

#include "common/ipc/dmarc_results.h"

namespace postwain::qmgr {

namespace {

// What decodes, coded anew; empty: it is malformed.
template <class Results>
std::string checked_frame(std::string_view payload) {
  Results told;
  std::string out;
  if (payload.size() > kResultFrameMax || !ipc::decode(payload, told)) return out;
  (void)ipc::append_frame(out, told);
  return out;
}

}  // namespace

void ResultRelay::connected(std::uint64_t peer, daemon::IpcConnection& connection,
                            const PeerIdentity& identity) {
  if (identity.role != ipc::Role::reporter) return;
  reporters_.push_back({peer, &connection});
  for (const std::string& frame : std::exchange(kept_, {})) connection.send_frames(frame);
}

void ResultRelay::lost(std::uint64_t peer) {
  std::erase_if(reporters_, [peer](const Reporter& one) { return one.peer == peer; });
}

bool ResultRelay::frame(std::uint64_t /*peer*/, ipc::FrameType type, std::string_view payload) {
  if (type == ipc::FrameType::reporter_report) return board_.take_frame(type, payload);
  std::string frame;
  if (type == ipc::FrameType::tls_results) frame = checked_frame<ipc::TlsResults>(payload);
  if (type == ipc::FrameType::dmarc_results) frame = checked_frame<ipc::DmarcResults>(payload);
  if (frame.empty()) return false;
  if (!reporters_.empty()) {
    daemon::IpcConnection& connection = *reporters_.back().connection;
    if (connection.pending() < kReporterBehind) connection.send_frames(frame);
    return true;
  }
  kept_.push_back(std::move(frame));
  if (kept_.size() > kResultFramesKept) kept_.pop_front();
  return true;
}

}  // namespace postwain::qmgr
