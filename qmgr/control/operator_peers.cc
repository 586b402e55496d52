#include "qmgr/control/operator_peers.h"

#include <utility>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/base/text.h"

#include "qmgr/control/json/answer_json.h"

namespace postwain::qmgr {

void OperatorPeers::add(std::uint64_t peer, daemon::IpcConnection& connection,
                        const PeerIdentity& identity) {
  constexpr std::size_t kNameMax = 64;
  Peer& entry = peers_[peer];
  entry.connection = &connection;
  entry.name = printable(std::string_view(identity.name).substr(0, kNameMax));
  if (identity.only_looks) entry.asked = 0;
}

void OperatorPeers::remove(std::uint64_t peer) {
  peers_.erase(peer);
}

bool OperatorPeers::only_looks(std::uint64_t peer) const {
  auto found = peers_.find(peer);
  return found != peers_.end() && found->second.asked.has_value();
}

bool OperatorPeers::begins_request(std::uint64_t peer) {
  auto found = peers_.find(peer);
  if (found == peers_.end() || !found->second.asked) return true;
  return ++*found->second.asked <= kRequestsOfViewer;
}

std::string OperatorPeers::author(std::uint64_t peer) const {
  auto found = peers_.find(peer);
  if (found == peers_.end()) return {};
  auto credentials = found->second.connection->peer_credentials();
  if (!credentials) return {};
  return fmt::format("{} (uid {}, pid {})", found->second.name, credentials->uid, credentials->pid);
}

void OperatorPeers::reply(Asker to, std::string json, bool last, int exit_code) {
  auto found = peers_.find(to.peer);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  if (last && peer.asked && *peer.asked > 0) --*peer.asked;
  ipc::ControlReply answer{to.request, last, static_cast<std::uint8_t>(exit_code), std::move(json)};
  if (peer.connection->try_send(answer)) return;
  // What lies in the queue decides how large an answer is.
  answer.json = json_error("the answer is too large to be sent");
  answer.exit_code = kExitUnavailable;
  peer.connection->send(answer);
}

void OperatorPeers::refuse(Asker to, const std::string& text, int exit_code) {
  reply(to, json_error(text), true, exit_code);
}

void OperatorPeers::ask(std::uint64_t peer, const ipc::ControlRequest& request) {
  auto found = peers_.find(peer);
  if (found != peers_.end()) found->second.connection->send(request);
}

std::size_t OperatorPeers::pending(std::uint64_t peer) const {
  auto found = peers_.find(peer);
  return found == peers_.end() ? SIZE_MAX : found->second.connection->pending();
}

}  // namespace postwain::qmgr
