// The connections to qmgr, from the hello to the end: who comes in, and to which part its frames
// go.
//
// A peer says hello first; its user is known from the socket (SO_PEERCRED). The table of
// peer_kinds.h says who may have which role, and which service it then speaks to. Everybody on the
// machine may come as sendmail; so places, time until the hello, and what is kept for a peer that
// does not read are bounded (peer_places.h, peer_kinds.h, intake.h).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/daemon/ipc_connection.h"
#include "common/daemon/peer_users.h"
#include "common/mail/queue_id.h"
#include "common/net/loop.h"
#include "common/net/stream.h"

#include "qmgr/peers/peer_kinds.h"
#include "qmgr/peers/peer_places.h"
#include "qmgr/peers/peer_service.h"

namespace postwain::qmgr {

// Who has not said hello by then has to go; our own processes may be slow on a busy machine.
constexpr Duration kHelloAtMost = std::chrono::seconds(5);
constexpr Duration kHelloOfOurs = std::chrono::seconds(60);

class Peers {
 public:
  // In the order of ServiceName.
  struct Services {
    PeerService& intake;
    PeerService& delivery;
    PeerService& control;
    PeerService& metrics;
    PeerService& tokens;
    PeerService& results;
    PeerService& filters;
    PeerService& signers;
  };
  // The services outlive it; when it is destroyed they hear that every peer is lost.
  Peers(net::Loop& loop, daemon::PeerUsers users, const Services& services);
  ~Peers();
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  void add(net::Stream stream);
  // Where several machines share a queue: from now on each gives its peers worker numbers of its
  // own, those of its node's number (below 32), so that their ids differ even if a clock is wrong.
  void set_worker_range(std::uint8_t node);
  // From the next connection on.
  void set_viewers(daemon::Groups viewers) { viewers_ = std::move(viewers); }

 private:
  struct Peer {
    std::unique_ptr<daemon::IpcConnection> connection;
    std::uint32_t uid = 0;
    MonoTime since{};
    const PeerKind* kind = nullptr;  // null: it has not been welcomed
    std::string name = {};
    std::uint16_t worker = 0;
  };

  bool frame(std::uint64_t number, ipc::FrameType type, std::string_view payload);
  bool hello(std::uint64_t number, Peer& peer, std::string_view payload);
  std::uint16_t next_worker();
  void welcome(std::uint64_t number, Peer& peer, const ipc::Hello& hello, bool only_looks);
  PeerService& service(ServiceName name) const {
    return *services_[static_cast<std::size_t>(name)];
  }
  void closed(std::uint64_t number, const std::string& why);
  void drained(std::uint64_t number);
  void remove(std::uint64_t number);
  void refuse(const net::PeerCredentials& who, const char* reason);
  void end_silent_ones();

  net::Loop& loop_;
  daemon::PeerUsers users_;
  daemon::Groups viewers_;
  PeerPlaces places_;
  net::Timer hello_timer_;
  MonoTime next_refusal_logged_{};
  std::uint64_t refusals_not_logged_ = 0;
  std::array<PeerService*, kServices> services_;
  std::map<std::uint64_t, Peer> peers_;
  std::vector<std::unique_ptr<daemon::IpcConnection>> gone_;  // until the end of this turn
  std::uint64_t last_number_ = 0;
  std::uint16_t first_worker_ = 1;
  std::uint16_t workers_ = mail::kLastWorker;
  std::uint16_t last_worker_;
};

}  // namespace postwain::qmgr
