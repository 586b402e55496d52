#include "qmgr/control/metrics/cluster_part.h"

#include <algorithm>
#include <chrono>

#include "qmgr/cluster/durability.h"

namespace postwain::qmgr {

void add_cluster_part(MetricsPage& page, const ClusterView& view) {
  page.metric(
      "postwain_cluster_standing", "gauge",
      "1 for how this node stands: live, unsure of its life, fenced, joining, or draining.");
  for (const char* word : {"live", "unsure", "fenced", "joining", "draining"})
    page.value("standing", word, view.standing == word ? 1 : 0);
  page.one("postwain_cluster_word_seconds", "gauge",
           "Age of the last proof that this node's term goes on.",
           std::max(0.0, std::chrono::duration<double>(view.word_age).count()));
  page.metric("postwain_cluster_nodes", "gauge", "Nodes, by state.");
  for (const char* state : {"live", "draining", "gone"})
    page.value("state", state,
               std::count_if(view.nodes.begin(), view.nodes.end(),
                             [state](const NodeView& one) { return one.state == state; }));
  const NodeView* own = view.own();
  page.one("postwain_cluster_bags", "gauge", "Parts of the queue that this node delivers.",
           own == nullptr ? 0 : own->bags);
  page.one("postwain_cluster_orphan_bags", "gauge", "Parts of the queue that no node delivers.",
           view.orphans);
  page.one("postwain_cluster_one_machine", "gauge",
           "1 while a 250 may mean that one machine alone has the mail.",
           cluster::is_one_machine(cluster::parse_worth(view.worth)) ? 1 : 0);
  if (view.lag >= 0)
    page.one("postwain_cluster_lag_bytes", "gauge",
             "Octets of the database's log that the standby furthest behind has not on its disk.",
             view.lag);
  page.one("postwain_cluster_clock_seconds", "gauge",
           "By how much this node's clock is ahead of the database's.",
           std::chrono::duration<double>(view.clock_difference).count());
  page.one("postwain_cluster_in_doubt", "gauge",
           "Recipients of this node's bags that may have their message already, 10000 at most.",
           view.in_doubt);
  page.one("postwain_cluster_fences_total", "counter", "Nodes whose term this one has ended.",
           view.fences);
  page.one("postwain_cluster_adoptions_total", "counter",
           "Parts of the queue that this node has taken over from nodes that were gone.",
           view.adoptions);
  page.one("postwain_cluster_gives_total", "counter",
           "Parts of the queue that this node has given to others.", view.gives);
  page.one("postwain_cluster_history_dropped_bytes_total", "counter",
           "Octets of this node's history that other nodes will never read.", view.history_dropped);
  page.one("postwain_cluster_places_claimed", "gauge",
           "Connections that this node may have of limits that hold over all nodes.",
           view.places_claimed);
  page.one("postwain_cluster_limits_reached", "gauge",
           "Such limits under which connections of this node wait for others to end.",
           view.limits_reached);
}

}  // namespace postwain::qmgr
