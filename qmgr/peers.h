// The connections to qmgr: who may come in, what role it has, and to which part its frames go.
//
// A peer says hello first; its user is known from the socket (SO_PEERCRED). The roles of processes
// need the user the supervisor gave that process, our own, or root; control and supervisor need
// root or ourselves (who is in a group of [control] viewers may look); sendmail is open to
// everybody on the machine. So places, time until the hello, and what is kept for whoever does not
// read are bounded (peer_places.h, intake.h).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/daemon/ipc_connection.h"
#include "common/daemon/peer_users.h"
#include "common/net/loop.h"
#include "common/net/stream.h"

#include "qmgr/control/control.h"
#include "qmgr/dispatch/delivery.h"
#include "qmgr/dispatch/tls_result_relay.h"
#include "qmgr/dispatch/token_relay.h"
#include "qmgr/intake/intake.h"
#include "qmgr/peer_places.h"

namespace postwain::qmgr {

// Who has not said hello by then has to go; our own processes may be slow on a busy machine.
constexpr Duration kHelloAtMost = std::chrono::seconds(5);
constexpr Duration kHelloOfOurs = std::chrono::seconds(60);
constexpr std::size_t kUnreadOfCommands = 1U << 20;  // then nothing more is read from them

// Pure: whether a peer with this user may have this role.
bool may_have_role(ipc::Role role, std::uint32_t uid, std::uint32_t own_uid,
                   const daemon::PeerUsers& users);
// Pure: whether somebody in these groups may at least look, with commands that change nothing.
bool may_look(ipc::Role role, const std::vector<std::uint32_t>& groups,
              const daemon::Groups& viewers);

class Peers {
 public:
  struct Parts {
    Intake& intake;
    Delivery& delivery;
    Control& control;
    TokenRelay& tokens;
    TlsResultRelay& reports;
  };
  Peers(net::Loop& loop, daemon::PeerUsers users, Parts parts);
  ~Peers();
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  void add(net::Stream stream);
  // From the next connection on.
  void set_viewers(daemon::Groups viewers) { viewers_ = std::move(viewers); }

 private:
  struct Peer {
    std::unique_ptr<daemon::IpcConnection> connection;
    std::uint32_t uid = 0;
    MonoTime since{};
    bool welcomed = false;
    ipc::Role role = ipc::Role::control;
    std::string name;
  };

  bool frame(std::uint64_t number, ipc::FrameType type, std::string_view payload);
  bool hello(std::uint64_t number, Peer& peer, std::string_view payload);
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
  Parts parts_;
  std::map<std::uint64_t, Peer> peers_;
  std::vector<std::unique_ptr<daemon::IpcConnection>> gone_;  // until the end of this turn
  std::uint64_t last_number_ = 0;
  std::uint16_t last_worker_;
};

}  // namespace postwain::qmgr
