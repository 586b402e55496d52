// Brings a process that serves others together with those it serves: `filter` with each smtpd,
// `signer` with each smtp-client. All of them know qmgr's socket only, so qmgr makes a pair of
// connected sockets for each user and hands an end to either side. What they say to each other
// there qmgr neither sees nor keeps: no mail hangs on it, and a link that is lost ends with its
// process. Where qmgr itself is a user it gets such a link, too (filter_asker.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "common/base/time.h"
#include "common/daemon/ipc_connection.h"
#include "common/net/loop.h"

#include "qmgr/model/report_board.h"
#include "qmgr/peers/peer_service.h"

namespace postwain::qmgr {

// More than the supervisor ever has of them, those that only finish what they have included; who
// comes beyond that gets no link.
constexpr std::size_t kLinkedUsersMax = 256;
constexpr std::size_t kLinkNameMax = 64;  // octets of a name that are passed on
// Octets that a peer has not read. Then its link waits, for what lies there holds descriptors.
constexpr std::size_t kLinkBehind = 64U << 10;
constexpr Duration kLinkAgain = std::chrono::seconds(1);  // where no link could be made

// It serves beside other parts for the users (peer_kinds.h says who they are), and alone for the
// server, which only reports.
class LinkRelay : public PeerService {
 public:
  // server: whom the others are linked with. board: hears of those processes; it outlives this.
  LinkRelay(net::Loop& loop, ipc::Role server, ReportBoard& board)
      : server_(server), board_(board), again_(loop) {}

  // As soon as both a user and a server are there they are linked, once. Of several servers (there
  // are two during a reload) the newest counts, and the one before it again when that one is lost.
  void connected(std::uint64_t peer, daemon::IpcConnection& connection,
                 const PeerIdentity& identity) override;
  bool frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) override;
  void lost(std::uint64_t peer) override;

  // adopt: takes qmgr's own end of a link. Null: none is needed.
  void link_own(std::function<void(UniqueFd)> adopt);

 private:
  struct Peer {
    daemon::IpcConnection* connection = nullptr;
    std::string name;
    ipc::Role role;
    std::uint64_t linked = 0;  // of a user: to which server; 0: to none
  };

  void link_all();
  // False: it has to be tried again.
  bool link(Peer& user, std::uint64_t number, Peer& server);
  // One end goes to `server`; the other one. Empty: it has to be tried again.
  UniqueFd link_to(const std::string& name, ipc::Role role, Peer& server);

  ipc::Role server_;
  ReportBoard& board_;
  std::map<std::uint64_t, Peer> users_;
  std::map<std::uint64_t, Peer> servers_;  // numbers grow, so the last one is the newest
  std::function<void(UniqueFd)> adopt_own_;
  std::uint64_t own_linked_ = 0;
  net::Timer again_;
  bool failed_ = false;  // the last pair could not be made, and it has been logged
};

}  // namespace postwain::qmgr
