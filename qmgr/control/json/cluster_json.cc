#include "qmgr/control/json/cluster_json.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "qmgr/cluster/config_digest.h"
#include "qmgr/cluster/durability.h"
#include "qmgr/control/json/json_text.h"

namespace postwain::qmgr {

namespace {

using Json = nlohmann::ordered_json;

// The former version tells it in another form.
void compare(Json& out, const NodeView& node, const NodeView* own) {
  auto tables = own == nullptr ? std::nullopt : config_difference(own->config, node.config);
  out["config"] = !tables ? "unknown" : tables->empty() ? "equal" : "different";
  if (tables && !tables->empty()) out["config_differs"] = *tables;
}

Json node_json(const NodeView& node, const NodeView* own) {
  Json out = {{"number", node.number},
              {"name", node.name},
              {"self", node.self},
              {"state", node.state},
              {"stay", node.stay},
              {"term", node.term},
              {"beat_age_ms", std::max<std::int64_t>(0, node.beat_age.count())},
              {"bags", node.bags},
              {"weight", node.weight},
              {"load", node.busy   ? "busy"
                       : node.idle ? "idle"
                                   : "normal"},
              {"version", node.version}};
  compare(out, node, own);
  return out;
}

}  // namespace

nlohmann::ordered_json standing_json(const ClusterView& view) {
  const NodeView* own = view.own();
  const cluster::Worth worth = cluster::parse_worth(view.worth);
  return Json{{"node", own == nullptr ? std::string() : own->name},
              {"number", view.node},
              {"term", view.term},
              {"standing", view.standing},
              {"word_age_ms", std::max<std::int64_t>(0, view.word_age.count())},
              {"worth", cluster::name_of(worth)},
              {"worth_words", cluster::words_of(worth)}};
}

std::string json_cluster(const ClusterView& view) {
  Json out = standing_json(view);
  out["one_machine"] = cluster::is_one_machine(cluster::parse_worth(view.worth));
  out["database"] = view.database;
  out["server"] = view.server;
  out["heard_ago_ms"] = view.heard.count() < 0 ? Json() : Json(view.heard.count());
  out["silent"] = view.silent;
  if (!view.database_trouble.empty()) out["database_trouble"] = view.database_trouble;
  if (view.lag >= 0) out["lag_bytes"] = view.lag;
  out["in_doubt"] = view.in_doubt;
  out["clock_difference_ms"] = view.clock_difference.count();
  out["orphans"] = view.orphans;
  out["fences"] = view.fences;
  out["adoptions"] = view.adoptions;
  out["gives"] = view.gives;
  out["history_dropped_bytes"] = view.history_dropped;
  out["places_claimed"] = view.places_claimed;
  out["limits_reached"] = view.limits_reached;
  Json& nodes = out["nodes"] = Json::array();
  for (const NodeView& node : view.nodes) nodes.push_back(node_json(node, view.own()));
  return write_json(std::move(out));
}

std::string json_node_done(const std::string& node) {
  return write_json(Json{{"ok", true}, {"node", node}});
}

}  // namespace postwain::qmgr
