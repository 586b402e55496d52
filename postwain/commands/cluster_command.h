// `postwain cluster status`, `drain`, `join`, `leave` and `fence`: the nodes that share a queue.
#pragma once

#include <string>

#include "common/ipc/operator_commands.h"
#include "postwain/client/client_options.h"

namespace postwain::tool {

struct ClusterOptions {
  std::string node;  // its name
  bool yes = false;  // of fence: nobody is asked
};

int cluster_status_command(const ClientOptions& options);
// One of those that change something about a node.
int cluster_node_command(const ClientOptions& options, ipc::OperatorCommand command,
                         const ClusterOptions& cluster);

}  // namespace postwain::tool
