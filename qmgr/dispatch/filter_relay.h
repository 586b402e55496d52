// Brings smtpd and the filter process together. Both know qmgr's socket only, so qmgr makes a pair
// of connected sockets for each smtpd and hands an end to either side. What they say to each other
// there qmgr neither sees nor keeps: no mail hangs on it, and a link that is lost ends with its
// process. Where qmgr itself has messages to ask about it gets such a link, too (filter_asker.h).
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

#include "qmgr/model/filter_board.h"
#include "qmgr/peers/peer_service.h"

namespace postwain::qmgr {

// More than the supervisor ever has of them, those that only finish their sessions included; who
// comes beyond that gets no link.
constexpr std::size_t kLinkedReceiversMax = 256;
constexpr std::size_t kLinkNameMax = 64;  // octets of a name that are passed on
// Octets that a peer has not read. Then its link waits, for what lies there holds descriptors.
constexpr std::size_t kLinkBehind = 64U << 10;
constexpr Duration kLinkAgain = std::chrono::seconds(1);  // where no link could be made

// It serves beside the intake for smtpd, and alone for the filter process, which reports of its
// filters.
class FilterRelay : public PeerService {
 public:
  FilterRelay(net::Loop& loop, FilterBoard& board) : board_(board), again_(loop) {}

  // As soon as both an smtpd and the filter process are there they are linked, once. Of several
  // filter processes (there are two during a reload) the newest counts, and the one before it
  // again when that one is lost.
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
    std::uint64_t linked = 0;  // of an smtpd: to which filter process; 0: to none
  };

  void link_all();
  // False: it has to be tried again.
  bool link(Peer& receiver, std::uint64_t number, Peer& filter);
  // One end goes to `filter`; the other one. Empty: it has to be tried again.
  UniqueFd link_to(const std::string& name, Peer& filter);

  FilterBoard& board_;
  std::map<std::uint64_t, Peer> receivers_;
  std::map<std::uint64_t, Peer> filters_;  // numbers grow, so the last one is the newest
  std::function<void(UniqueFd)> adopt_own_;
  std::uint64_t own_linked_ = 0;
  net::Timer again_;
  bool failed_ = false;  // the last pair could not be made, and it has been logged
};

}  // namespace postwain::qmgr
