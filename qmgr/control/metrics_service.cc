#include "qmgr/control/metrics_service.h"

#include "common/base/sysexits.h"

#include "qmgr/control/json/answer_json.h"

namespace postwain::qmgr {

void MetricsService::connected(std::uint64_t peer, daemon::IpcConnection& connection,
                               const PeerIdentity& /*identity*/) {
  peers_[peer] = &connection;
}

bool MetricsService::frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) {
  ipc::ControlRequest request;
  auto found = peers_.find(peer);
  if (found == peers_.end() || type != ipc::FrameType::control_request) return false;
  if (!ipc::decode(payload, request)) return false;
  ipc::ControlReply answer{request.request, true, kExitOk, page_()};
  if (found->second->try_send(answer)) return true;
  answer.json = json_error("the answer is too large to be sent");
  answer.exit_code = kExitUnavailable;
  found->second->send(answer);
  return true;
}

void MetricsService::lost(std::uint64_t peer) {
  peers_.erase(peer);
}

}  // namespace postwain::qmgr
