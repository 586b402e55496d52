// Commands about the nodes of a queue that several machines share. What can be seen to be wrong
// from here is refused at once; the rest is decided where the rows are changed (ClusterPort).
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "common/base/result.h"

#include "qmgr/control/json/command_json.h"
#include "qmgr/control/operator_peers.h"
#include "qmgr/nodes/cluster_port.h"

namespace postwain::qmgr {

class ClusterCommands {
 public:
  // cluster: null where the queue is one machine's; then every command says so. It ends before
  // this, or with it.
  ClusterCommands(OperatorPeers& peers, ClusterPort* cluster) : peers_(peers), cluster_(cluster) {}

  void status(Asker asker);
  // stay: join; else drain.
  void set_stay(Asker asker, const Command& command, bool stay);
  void leave(Asker asker, const Command& command);
  void fence(Asker asker, const Command& command);

 private:
  // An error: why a node must not be treated so.
  using Objection = std::optional<Error> (*)(const NodeView& node, const ClusterView& view);
  // Null: the command names no node that may be treated so, and has been refused.
  const std::string* node_for(Asker asker, const Command& command, Objection objection);
  ClusterPort::Done reply_to(Asker asker, const std::string& node);

  OperatorPeers& peers_;
  ClusterPort* cluster_;
};

}  // namespace postwain::qmgr
