// Copies for operators: a snapshot of the whole queue, and the content of single messages, piece by
// piece, for `queue export`.
#pragma once

#include <cstdint>
#include <optional>

#include "qmgr/control/json/command_json.h"
#include "qmgr/control/operator_peers.h"
#include "qmgr/control/snapshot.h"
#include "qmgr/control/status_commands.h"
#include "qmgr/queue/queue.h"

namespace postwain::qmgr {

class BackupCommands {
 public:
  BackupCommands(Queue& queue, OperatorPeers& peers, const StatusCommands& status)
      : queue_(queue), peers_(peers), status_(status), snapshot_(queue) {}

  // The snapshot is there as long as the connection of the peer that copies it.
  void backup(Asker asker);
  // A piece of a message's content, from an offset on, of kContentPiece octets at most.
  void content(Asker asker, const Command& command);
  void lost(std::uint64_t peer);

 private:
  void read_content(Asker asker, const MessageInfo& info, std::uint64_t offset);

  Queue& queue_;
  OperatorPeers& peers_;
  const StatusCommands& status_;
  Snapshot snapshot_;
  std::optional<std::uint64_t> snapshot_for_;  // the peer that is copying it
};

}  // namespace postwain::qmgr
