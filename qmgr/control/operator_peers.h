// The connections of operators and of the supervisor, as those see them who answer: where an answer
// goes, who asks, and how much may still be sent to him.
//
// An answer to somebody who has gone is dropped without a word; a command that goes on for long
// asks is_here() and ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/daemon/ipc_connection.h"

#include "qmgr/peers/peer_service.h"

namespace postwain::qmgr {

constexpr std::size_t kRequestsOfViewer = 4;       // at once, of one connection
constexpr std::size_t kAnswerBacklog = 16U << 20;  // unsent octets at which an answer is cut
constexpr std::size_t kWalkBacklog = 1U << 20;     // the same at which a long list waits

// One request: the connection it came by, and its number there.
struct Asker {
  std::uint64_t peer = 0;
  std::uint64_t request = 0;
};

class OperatorPeers {
 public:
  // connection: until remove().
  void add(std::uint64_t peer, daemon::IpcConnection& connection, const PeerIdentity& identity);
  void remove(std::uint64_t peer);

  bool is_here(std::uint64_t peer) const { return peers_.contains(peer); }
  // It may give commands that change nothing and show no content, no others.
  bool only_looks(std::uint64_t peer) const;
  // Counts a request. False: it is one too many at once of a viewer, since each may be a walk
  // through the whole queue; its refusal is the last answer to it.
  bool begins_request(std::uint64_t peer);
  // Who is at the other end, for the log and the history: "alice (uid 1000, pid 4711)". Empty when
  // that is not known.
  std::string author(std::uint64_t peer) const;

  // One answer; no more than the exit code where the JSON is empty. last: none follows. What is
  // too large for a frame becomes an error.
  void reply(Asker to, std::string json, bool last = true, int exit_code = 0);
  // The last answer, an error: a sentence and a code of sysexits.h.
  void refuse(Asker to, const std::string& text, int exit_code);
  void refuse(Asker to, const Error& error) { refuse(to, error.text, error.code); }
  // A request of our own, to the supervisor.
  void ask(std::uint64_t peer, const ipc::ControlRequest& request);

  // Whether more may be added to an answer that comes at once.
  bool has_room(std::uint64_t peer) const { return pending(peer) < kAnswerBacklog; }
  // It has not read enough of what it got: a list waits for drained(), live events are dropped.
  bool is_behind(std::uint64_t peer) const { return pending(peer) > kWalkBacklog; }

 private:
  struct Peer {
    daemon::IpcConnection* connection;
    std::string name;
    std::optional<std::size_t> asked;  // of a viewer: requests that are not answered
  };
  // Of a peer that has gone: as if it read nothing any more.
  std::size_t pending(std::uint64_t peer) const;

  std::map<std::uint64_t, Peer> peers_;
};

}  // namespace postwain::qmgr
