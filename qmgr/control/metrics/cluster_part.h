// The part of the metrics about the nodes that share the queue.
#pragma once

#include "qmgr/control/metrics/page.h"
#include "qmgr/model/cluster_view.h"

namespace postwain::qmgr {

void add_cluster_part(MetricsPage& page, const ClusterView& view);

}  // namespace postwain::qmgr
