// The JSON of a cluster: `cluster status`, and what `status` says of it.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "qmgr/model/cluster_view.h"

namespace postwain::qmgr {

std::string json_cluster(const ClusterView& view);
// The member "cluster" of `status`: this node alone.
nlohmann::ordered_json standing_json(const ClusterView& view);
// Of a command that changes something about a node, and has.
std::string json_node_done(const std::string& node);

}  // namespace postwain::qmgr
