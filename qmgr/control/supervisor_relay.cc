#include "qmgr/control/supervisor_relay.h"

#include <utility>

#include "common/base/sysexits.h"

#include "qmgr/control/json/answer_json.h"

namespace postwain::qmgr {

void SupervisorRelay::lost(std::uint64_t peer) {
  if (supervisor_ != peer) return;
  supervisor_.reset();
  for (const auto& [number, asker] : std::exchange(relayed_, {}))
    peers_.refuse(asker, "the supervisor is gone", kExitUnavailable);
}

void SupervisorRelay::relay(Asker asker, const std::string& request) {
  if (!supervisor_) return peers_.refuse(asker, "no supervisor is running", kExitUnavailable);
  std::uint64_t number = ++last_relayed_;
  relayed_[number] = asker;
  peers_.ask(*supervisor_, ipc::ControlRequest{number, request});
}

bool SupervisorRelay::frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) {
  if (supervisor_ != peer) return false;
  if (type == ipc::FrameType::control_reply) return answered(payload);
  if (type == ipc::FrameType::config_update) return config_update(peer, payload);
  return false;
}

bool SupervisorRelay::answered(std::string_view payload) {
  ipc::ControlReply frame;
  if (!ipc::decode(payload, frame)) return false;
  auto found = relayed_.find(frame.request);
  if (found == relayed_.end()) return true;
  peers_.reply(found->second, std::move(frame.json), frame.last, frame.exit_code);
  if (frame.last) relayed_.erase(found);
  return true;
}

bool SupervisorRelay::config_update(std::uint64_t peer, std::string_view payload) {
  ipc::ConfigUpdate frame;
  if (!ipc::decode(payload, frame)) return false;
  Asker asker{peer, frame.request};
  Result<bool> taken = on_config_(frame.bundle);
  if (taken)
    peers_.reply(asker, json_ok());
  else
    peers_.refuse(asker, taken.error().text, kExitConfig);
  return true;
}

}  // namespace postwain::qmgr
