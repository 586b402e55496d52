#include "qmgr/peers.h"

#include <random>

#include <pwd.h>
#include <unistd.h>

#include "common/log/log.h"

namespace postwain::qmgr {

namespace {

std::uint32_t uid_of(const std::string& user) {
  passwd entry{};
  passwd* found = nullptr;
  char buffer[4096];
  if (::getpwnam_r(user.c_str(), &entry, buffer, sizeof buffer, &found) == 0 && found != nullptr)
    return found->pw_uid;
  return kNetworkUid;
}

bool is_agent(ipc::Role role) {
  return role == ipc::Role::smtp_client || role == ipc::Role::lmtp_client;
}
bool is_intake(ipc::Role role) {
  return role == ipc::Role::smtpd || role == ipc::Role::sendmail;
}

}  // namespace

bool may_have_role(ipc::Role role, std::uint32_t uid, std::uint32_t own_uid,
                   std::uint32_t network_uid) {
  switch (role) {
    case ipc::Role::smtpd:
    case ipc::Role::smtp_client:
    case ipc::Role::lmtp_client:
    case ipc::Role::supervisor:
    case ipc::Role::metrics:
      return uid == 0 || uid == own_uid || uid == network_uid;
    case ipc::Role::control:
      return uid == 0 || uid == own_uid;
    case ipc::Role::sendmail:
      return true;
  }
  return false;
}

Peers::Peers(net::Loop& loop, std::string network_user, Intake& intake, Delivery& delivery,
             Control& control)
    : loop_(loop),
      network_user_(std::move(network_user)),
      intake_(intake),
      delivery_(delivery),
      control_(control),
      // Begins anywhere, so that a clock set back and a restart together do not repeat queue ids.
      last_worker_(static_cast<std::uint16_t>(std::random_device()() % 1023)) {}

Peers::~Peers() {
  while (!peers_.empty()) remove(peers_.begin()->first);
  loop_.forget_turn_end(this);
}

void Peers::add(net::Stream stream) {
  if (peers_.size() >= kPeersMax) {
    log::Line(log::Level::warning, "peer_refused").kv("reason", "too many connections");
    return;
  }
  std::uint64_t number = ++last_number_;
  Peer& peer = peers_[number];
  peer.connection = std::make_unique<daemon::IpcConnection>(
      loop_, std::move(stream),
      daemon::IpcConnection::Callbacks{
          .on_frame = [this, number](
                          ipc::FrameType type,
                          std::string_view payload) { return frame(number, type, payload); },
          .on_closed = [this, number](const std::string& why) { closed(number, why); },
          .on_drained = [this, number] { drained(number); },
      });
}

bool Peers::frame(std::uint64_t number, ipc::FrameType type, std::string_view payload) {
  auto found = peers_.find(number);
  if (found == peers_.end()) return false;
  Peer& peer = found->second;
  if (!peer.welcomed) return type == ipc::FrameType::hello && hello(number, peer, payload);
  if (is_intake(peer.role)) return intake_.frame(number, type, payload);
  if (is_agent(peer.role)) return delivery_.frame(number, type, payload);
  if (peer.role == ipc::Role::metrics) return control_.metrics_frame(number, type, payload);
  return control_.frame(number, type, payload);
}

bool Peers::hello(std::uint64_t number, Peer& peer, std::string_view payload) {
  ipc::Hello hello;
  if (!ipc::decode(payload, hello)) return false;
  auto credentials = peer.connection->peer_credentials();
  const char* refusal = nullptr;
  if (hello.version != ipc::kProtocolVersion) refusal = "another protocol version";
  if (!credentials ||
      !may_have_role(hello.role, credentials->uid, ::geteuid(), uid_of(network_user_)))
    refusal = "its user may not have this role";
  if (refusal != nullptr) {
    log::Line(log::Level::warning, "peer_refused")
        .kv("name", hello.name)
        .kv("role", ipc::name_of(hello.role))
        .kv("uid", credentials ? credentials->uid : 0)
        .kv("reason", refusal);
    return false;
  }
  peer.welcomed = true;
  peer.role = hello.role;
  peer.name = hello.name;
  last_worker_ = static_cast<std::uint16_t>(last_worker_ % 1023 + 1);  // 0 is qmgr itself
  peer.connection->send(ipc::Welcome{ipc::kProtocolVersion, last_worker_});
  if (is_intake(peer.role))
    intake_.peer_connected(number, *peer.connection, peer.role == ipc::Role::smtpd);
  else if (is_agent(peer.role))
    delivery_.agent_connected(number, peer.role == ipc::Role::lmtp_client ? Pool::lmtp : Pool::smtp,
                              *peer.connection);
  else
    control_.peer_connected(number, *peer.connection, peer.role == ipc::Role::supervisor);
  if (peer.role != ipc::Role::control && peer.role != ipc::Role::sendmail)
    log::Line(log::Level::info, "peer_connected").kv("name", hello.name).kv("pid", hello.pid);
  return true;
}

void Peers::closed(std::uint64_t number, const std::string& why) {
  auto found = peers_.find(number);
  if (found == peers_.end()) return;
  const Peer& peer = found->second;
  bool usual = peer.role == ipc::Role::control || peer.role == ipc::Role::sendmail;
  if (peer.welcomed && (!usual || why == "malformed frame"))
    log::Line(log::Level::info, "peer_lost").kv("name", peer.name).kv("reason", why);
  remove(number);
}

void Peers::drained(std::uint64_t number) {
  auto found = peers_.find(number);
  if (found == peers_.end() || !found->second.welcomed) return;
  if (is_agent(found->second.role))
    delivery_.agent_drained(number);
  else if (!is_intake(found->second.role))
    control_.peer_drained(number);
}

void Peers::remove(std::uint64_t number) {
  auto found = peers_.find(number);
  Peer peer = std::move(found->second);
  peers_.erase(found);
  if (peer.welcomed) {
    if (is_intake(peer.role))
      intake_.peer_lost(number);
    else if (is_agent(peer.role))
      delivery_.agent_lost(number);
    else
      control_.peer_lost(number);
  }
  // Its own code may be on the stack.
  gone_.push_back(std::move(peer.connection));
  loop_.at_turn_end(this, [this] { gone_.clear(); });
}

}  // namespace postwain::qmgr
