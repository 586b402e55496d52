#include "qmgr/dispatch/link_relay.h"

#include <array>
#include <cerrno>
#include <utility>

#include <sys/socket.h>

#include "common/base/file.h"
#include "common/log/log.h"

namespace postwain::qmgr {

namespace {

Result<std::array<UniqueFd, 2>> link_ends() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
    return system_error("socketpair", errno);
  return std::array{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace

void LinkRelay::connected(std::uint64_t peer, daemon::IpcConnection& connection,
                          const PeerIdentity& identity) {
  bool is_server = identity.role == server_;
  if (is_server) board_.connected();
  if (!is_server && users_.size() >= kLinkedUsersMax) return;
  (is_server ? servers_ : users_)[peer] = {&connection, identity.name.substr(0, kLinkNameMax),
                                           identity.role};
  link_all();
}

void LinkRelay::lost(std::uint64_t peer) {
  users_.erase(peer);
  if (servers_.erase(peer) == 0) return;
  board_.lost();
  link_all();
}

bool LinkRelay::frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) {
  return servers_.contains(peer) &&
         board_.take_frame(type, payload, servers_.rbegin()->first == peer);
}

void LinkRelay::link_all() {
  if (servers_.empty()) return again_.stop();
  auto& [number, server] = *servers_.rbegin();
  bool all = true;
  for (auto& [peer, user] : users_)
    if (user.linked != number) all &= link(user, number, server);
  if (adopt_own_ && own_linked_ != number) {
    UniqueFd end = link_to("qmgr", ipc::Role::control, server);
    all = all && end.get() >= 0;
    if (end.get() >= 0) {
      own_linked_ = number;
      adopt_own_(std::move(end));
    }
  }
  if (all) return again_.stop();
  if (!again_.active()) again_.start(kLinkAgain, [this] { link_all(); });
}

bool LinkRelay::link(Peer& user, std::uint64_t number, Peer& server) {
  if (user.connection->pending() > kLinkBehind) return false;
  UniqueFd end = link_to(user.name, user.role, server);
  if (end.get() < 0) return false;
  user.linked = number;
  user.connection->send(ipc::PeerLink{server.name, server.role, {}}, std::move(end));
  return true;
}

UniqueFd LinkRelay::link_to(const std::string& name, ipc::Role role, Peer& server) {
  if (server.connection->pending() > kLinkBehind) return {};
  auto ends = link_ends();
  bool failed_before = std::exchange(failed_, !ends.ok());
  if (!ends) {
    if (!failed_before)
      log::Line(log::Level::warning, "no_link")
          .kv("process", name)
          .kv("with", server.name)
          .kv("error", ends.error().text);
    return {};
  }
  auto [of_server, other] = ends.take();
  server.connection->send(ipc::PeerLink{name, role, {}}, std::move(of_server));
  return std::move(other);
}

void LinkRelay::link_own(std::function<void(UniqueFd)> adopt) {
  adopt_own_ = std::move(adopt);
  link_all();
}

}  // namespace postwain::qmgr
