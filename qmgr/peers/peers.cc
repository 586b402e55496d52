#include "qmgr/peers/peers.h"

#include <algorithm>
#include <bitset>
#include <random>
#include <utility>

#include <unistd.h>

#include "common/base/check.h"
#include "common/log/log.h"

namespace postwain::qmgr {

namespace {

std::set<std::uint32_t> our_users(const daemon::PeerUsers& users) {
  std::set<std::uint32_t> out{0, ::geteuid()};
  for (const auto& [role, uid] : users) out.insert(uid);
  return out;
}

}  // namespace

Peers::Peers(net::Loop& loop, daemon::PeerUsers users, const Services& services)
    : loop_(loop),
      users_(std::move(users)),
      places_(our_users(users_)),
      hello_timer_(loop),
      services_{&services.intake, &services.delivery, &services.control, &services.metrics,
                &services.tokens, &services.results,  &services.filters, &services.signers},
      // Begins anywhere, so that a clock set back and a restart together do not repeat queue ids.
      last_worker_(static_cast<std::uint16_t>(1 + std::random_device()() % mail::kLastWorker)) {}

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
    if (peer.kind != nullptr) continue;
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
  if (peer.kind == nullptr) return type == ipc::FrameType::hello && hello(number, peer, payload);
  return service(peer.kind->takes(type)).frame(number, type, payload);
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
  welcome(number, peer, hello, is_viewer);
  return true;
}

// Begins anywhere in it, as without a range.
void Peers::set_worker_range(std::uint8_t node) {
  unsigned first = node * mail::kWorkersOfANode + 1U;
  unsigned last = std::min<unsigned>(first + mail::kWorkersOfANode - 2, mail::kLastWorker);
  PW_CHECK(first <= last);
  first_worker_ = static_cast<std::uint16_t>(first);
  workers_ = static_cast<std::uint16_t>(last - first + 1);
  last_worker_ = static_cast<std::uint16_t>(first_worker_ + std::random_device()() % workers_);
}

// In turn, but for those of peers that are here and make ids. Where all are taken, two have the
// same: to those who come with commands an id is a name for their own transaction only.
std::uint16_t Peers::next_worker() {
  std::bitset<mail::kLastWorker + 1> taken;
  for (const auto& [number, peer] : peers_)
    if (peer.kind != nullptr && !peer.kind->is_command) taken.set(peer.worker);
  for (unsigned step = 0; step < workers_; ++step) {
    last_worker_ =
        static_cast<std::uint16_t>((last_worker_ - first_worker_ + 1) % workers_ + first_worker_);
    if (!taken[last_worker_]) break;
  }
  return last_worker_;
}

void Peers::welcome(std::uint64_t number, Peer& peer, const ipc::Hello& hello, bool only_looks) {
  const PeerKind& kind = peer_kind(hello.role);
  peer.kind = &kind;
  peer.name = hello.name;
  peer.connection->limit_unread(kind.unread_max);
  peer.worker = next_worker();
  peer.connection->send(ipc::Welcome{hello.version, peer.worker});
  PeerIdentity identity{hello.role, peer.uid, peer.name, only_looks};
  service(kind.service).connected(number, *peer.connection, identity);
  for (const PeerKind::Beside& one : kind.beside)
    service(one.service).connected(number, *peer.connection, identity);
  if (!kind.is_command)
    log::Line(log::Level::info, "peer_connected").kv("name", hello.name).kv("pid", hello.pid);
}

void Peers::closed(std::uint64_t number, const std::string& why) {
  auto found = peers_.find(number);
  if (found == peers_.end()) return;
  const Peer& peer = found->second;
  if (peer.kind != nullptr && (!peer.kind->is_command || why == "malformed frame"))
    log::Line(log::Level::info, "peer_lost").kv("name", peer.name).kv("reason", why);
  remove(number);
}

void Peers::drained(std::uint64_t number) {
  auto found = peers_.find(number);
  if (found == peers_.end() || found->second.kind == nullptr) return;
  service(found->second.kind->service).drained(number);
}

void Peers::remove(std::uint64_t number) {
  auto found = peers_.find(number);
  Peer peer = std::move(found->second);
  peers_.erase(found);
  places_.leave(peer.uid);
  if (peer.kind != nullptr) {
    for (const PeerKind::Beside& one : peer.kind->beside) service(one.service).lost(number);
    service(peer.kind->service).lost(number);
  }
  // Its own code may be on the stack.
  gone_.push_back(std::move(peer.connection));
  loop_.at_turn_end(this, [this] { gone_.clear(); });
}

}  // namespace postwain::qmgr
