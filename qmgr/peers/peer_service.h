// A part of qmgr that talks to peers: it hears of each connection whose role it serves, of its
// frames, and of its end. Which roles that are is said in one place, peer_kinds.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/daemon/ipc_connection.h"
#include "common/ipc/messages.h"

namespace postwain::qmgr {

// What is known of a peer when it has been welcomed. The user comes from the socket (SO_PEERCRED),
// the role was granted to that user; the name is only what the peer calls itself.
struct PeerIdentity {
  ipc::Role role = ipc::Role::control;
  std::uint32_t uid = 0;
  std::string name;
  // It may give commands that change nothing and show no content ([control] viewers), no others.
  bool only_looks = false;
};

class PeerService {
 public:
  virtual ~PeerService() = default;
  // peer: a number of its own, never used again. connection is the caller's, and lives until lost()
  // has returned.
  virtual void connected(std::uint64_t peer, daemon::IpcConnection& connection,
                         const PeerIdentity& identity) = 0;
  // False: the frame is none that this peer may send, or is malformed. The connection ends then,
  // and lost() follows.
  virtual bool frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) = 0;
  // What was sent to the peer has reached the kernel.
  virtual void drained(std::uint64_t peer) { static_cast<void>(peer); }
  // The last call for this peer; nothing may be sent to it.
  virtual void lost(std::uint64_t peer) = 0;
};

}  // namespace postwain::qmgr
