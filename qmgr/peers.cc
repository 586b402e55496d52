#include "qmgr/peers.h"

#include <algorithm>
#include <random>

#include <unistd.h>

#include "common/log/log.h"

namespace postwain::qmgr {

namespace {

bool is_agent(ipc::Role role) {
  return role == ipc::Role::smtp_client || role == ipc::Role::lmtp_client;
}
bool is_intake(ipc::Role role) {
  return role == ipc::Role::smtpd || role == ipc::Role::sendmail ||
         role == ipc::Role::queue_import || role == ipc::Role::reporter ||
         role == ipc::Role::pickup;
}

// Comes and goes with a command somebody gives.
bool is_command(ipc::Role role) {
  return role == ipc::Role::control || role == ipc::Role::sendmail ||
         role == ipc::Role::queue_import || role == ipc::Role::pickup;
}

std::set<std::uint32_t> our_users(const daemon::PeerUsers& users) {
  std::set<std::uint32_t> out{0, ::geteuid()};
  for (const auto& [role, uid] : users) out.insert(uid);
  return out;
}

}  // namespace

bool may_have_role(ipc::Role role, std::uint32_t uid, std::uint32_t own_uid,
                   const daemon::PeerUsers& users) {
  if (role == ipc::Role::sendmail || uid == 0 || uid == own_uid) return true;
  auto named = users.find(role);
  return named != users.end() && named->second == uid;
}

bool may_look(ipc::Role role, const std::vector<std::uint32_t>& groups,
              const daemon::Groups& viewers) {
  return role == ipc::Role::control && std::any_of(groups.begin(), groups.end(), [&](auto gid) {
           return viewers.count(gid) > 0;
         });
}

Peers::Peers(net::Loop& loop, daemon::PeerUsers users, Parts parts)
    : loop_(loop),
      users_(std::move(users)),
      places_(our_users(users_)),
      hello_timer_(loop),
      parts_(parts),
      // Begins anywhere, so that a clock set back and a restart together do not repeat queue ids.
      last_worker_(static_cast<std::uint16_t>(std::random_device()() % mail::kLastWorker)) {}

Peers::~Peers() {
  while (!peers_.empty()) remove(peers_.begin()->first);
  loop_.forget_turn_end(this);
}

void Peers::add(net::Stream stream) {
  auto who = stream.peer_credentials();
  if (!who) return;
  if (!places_.enter(who->uid)) return refuse(*who, "too many connections");
  std::uint64_t number = ++last_number_;
  Peer& peer = peers_[number];
  peer.uid = who->uid;
  peer.since = mono_now();
  if (!hello_timer_.active()) hello_timer_.start(kHelloAtMost / 5, [this] { end_silent_ones(); });
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

// A line a second at most: whoever is refused may come again at once.
void Peers::refuse(const net::PeerCredentials& who, const char* reason) {
  MonoTime now = mono_now();
  if (now < next_refusal_logged_) {
    ++refusals_not_logged_;
    return;
  }
  next_refusal_logged_ = now + std::chrono::seconds(1);
  log::Line(log::Level::warning, "peer_refused")
      .kv("uid", who.uid)
      .kv("pid", who.pid)
      .kv("reason", reason)
      .kv("others_not_logged", std::exchange(refusals_not_logged_, 0));
}

void Peers::end_silent_ones() {
  MonoTime now = mono_now();
  std::vector<std::uint64_t> silent;
  bool any = false;
  for (const auto& [number, peer] : peers_) {
    if (peer.welcomed) continue;
    any = true;
    Duration limit = places_.is_ours(peer.uid) ? kHelloOfOurs : kHelloAtMost;
    if (now - peer.since > limit) silent.push_back(number);
  }
  for (std::uint64_t number : silent) {
    refuse({0, peers_[number].uid, 0}, "no hello in time");
    remove(number);
  }
  if (any) hello_timer_.start(kHelloAtMost / 5, [this] { end_silent_ones(); });
}

bool Peers::frame(std::uint64_t number, ipc::FrameType type, std::string_view payload) {
  auto found = peers_.find(number);
  if (found == peers_.end()) return false;
  Peer& peer = found->second;
  if (!peer.welcomed) return type == ipc::FrameType::hello && hello(number, peer, payload);
  if (is_intake(peer.role)) return parts_.intake.frame(number, type, payload);
  if (is_agent(peer.role) && type == ipc::FrameType::tls_results)
    return parts_.reports.frame(payload);
  if (is_agent(peer.role)) return parts_.delivery.frame(number, type, payload);
  if (peer.role == ipc::Role::tokens) return parts_.tokens.frame(number, type, payload);
  if (peer.role == ipc::Role::metrics) return parts_.control.metrics_frame(number, type, payload);
  return parts_.control.frame(number, type, payload);
}

bool Peers::hello(std::uint64_t number, Peer& peer, std::string_view payload) {
  ipc::Hello hello;
  if (!ipc::decode(payload, hello)) return false;
  auto credentials = peer.connection->peer_credentials();
  const char* refusal = nullptr;
  if (hello.version < ipc::oldest_version(hello.role) || hello.version > ipc::kProtocolVersion)
    refusal = "another protocol version";
  bool may = credentials && may_have_role(hello.role, credentials->uid, ::geteuid(), users_);
  bool is_viewer = !may && credentials && !viewers_.empty() &&
                   may_look(hello.role, peer.connection->peer_groups(), viewers_);
  if (!may && !is_viewer) refusal = "its user may not have this role";
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
  if (is_command(peer.role) || peer.role == ipc::Role::metrics)
    peer.connection->limit_unread(kUnreadOfCommands);
  last_worker_ = static_cast<std::uint16_t>(last_worker_ % mail::kLastWorker + 1);
  peer.connection->send(ipc::Welcome{hello.version, last_worker_});
  if (is_intake(peer.role))
    parts_.intake.peer_connected(number, *peer.connection, peer.role, credentials->uid);
  else if (is_agent(peer.role))
    parts_.delivery.agent_connected(
        number, peer.role == ipc::Role::lmtp_client ? Pool::lmtp : Pool::smtp, *peer.connection);
  else if (peer.role == ipc::Role::tokens)
    parts_.tokens.connected(number, *peer.connection);
  else
    parts_.control.peer_connected(number, *peer.connection,
                                  peer.role == ipc::Role::supervisor ? Control::Rights::supervisor
                                  : is_viewer                        ? Control::Rights::view
                                                                     : Control::Rights::commands,
                                  peer.name);
  if (peer.role == ipc::Role::reporter) parts_.reports.connected(number, *peer.connection);
  if (!is_command(peer.role))
    log::Line(log::Level::info, "peer_connected").kv("name", hello.name).kv("pid", hello.pid);
  return true;
}

void Peers::closed(std::uint64_t number, const std::string& why) {
  auto found = peers_.find(number);
  if (found == peers_.end()) return;
  const Peer& peer = found->second;
  bool usual = is_command(peer.role);
  if (peer.welcomed && (!usual || why == "malformed frame"))
    log::Line(log::Level::info, "peer_lost").kv("name", peer.name).kv("reason", why);
  remove(number);
}

void Peers::drained(std::uint64_t number) {
  auto found = peers_.find(number);
  if (found == peers_.end() || !found->second.welcomed) return;
  if (is_agent(found->second.role))
    parts_.delivery.agent_drained(number);
  else if (!is_intake(found->second.role) && found->second.role != ipc::Role::tokens)
    parts_.control.peer_drained(number);
}

void Peers::remove(std::uint64_t number) {
  auto found = peers_.find(number);
  Peer peer = std::move(found->second);
  peers_.erase(found);
  places_.leave(peer.uid);
  if (peer.welcomed) {
    if (peer.role == ipc::Role::reporter) parts_.reports.lost(number);
    if (is_intake(peer.role))
      parts_.intake.peer_lost(number);
    else if (is_agent(peer.role))
      parts_.delivery.agent_lost(number);
    else if (peer.role == ipc::Role::tokens)
      parts_.tokens.lost(number);
    else
      parts_.control.peer_lost(number);
  }
  // Its own code may be on the stack.
  gone_.push_back(std::move(peer.connection));
  loop_.at_turn_end(this, [this] { gone_.clear(); });
}

}  // namespace postwain::qmgr
