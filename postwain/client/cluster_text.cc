#include "postwain/client/cluster_text.h"

#include <cstdint>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "postwain/client/json_member.h"
#include "postwain/client/present.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

double seconds_member(const Json& object, const char* key) {
  return static_cast<double>(number_member(object, key)) / 1000;
}

std::string standing_line(const Json& view) {
  return fmt::format("this node: {} (number {}), {} in term {}; its word is {:.1f} s old\n",
                     text_member(view, "node"), number_member(view, "number"),
                     text_member(view, "standing"), number_member(view, "term"),
                     seconds_member(view, "word_age_ms"));
}

// While the database is silent all below is what it said before, and that stands in front of it.
std::string database_lines(const Json& view) {
  std::string out;
  const std::string configured = text_member(view, "database");
  const bool heard = view.contains("heard_ago_ms") && view["heard_ago_ms"].is_number();
  std::string server = text_member(view, "server");
  if (flag_member(view, "silent")) {
    out = fmt::format("NOTHING IS HEARD FROM THE DATABASE ({})", configured);
    if (heard) out += fmt::format(" for {:.1f} s", seconds_member(view, "heard_ago_ms"));
    if (std::string why = text_member(view, "database_trouble"); !why.empty()) out += ": " + why;
    out += heard ? "\nwhat follows is as it was then\n" : "\n";
  }
  if (server.empty()) server = configured + ", which has not answered yet";
  return out + fmt::format("database: {}\n{}\n", server, text_member(view, "worth_words"));
}

std::string bags_line(const Json& view) {
  const std::int64_t orphans = number_member(view, "orphans");
  if (orphans == 0) return "bags: each has an owner\n";
  return fmt::format("bags: {} HAVE NO OWNER, and their mail waits\n", orphans);
}

// What is asked of a node stands beside its state where they differ.
std::string state_words(const Json& node) {
  std::string state = text_member(node, "state");
  const bool stays = flag_member(node, "stay");
  if (!stays && state == "gone") return "gone, keeps out";
  if (stays && state == "draining") return "draining, may join";
  return state;
}

// "different: route, limits".
std::string config_words(const Json& node) {
  std::string out = text_member(node, "config");
  std::string_view before = ": ";
  for (const Json& table : list_member(node, "config_differs")) {
    if (!table.is_string()) continue;
    out += std::string(before) + printable(table.get<std::string>(), kMemberShown);
    before = ", ";
  }
  return out;
}

Json node_row(const Json& node) {
  return Json{{"node", text_member(node, "name") + (flag_member(node, "self") ? " *" : "")},
              {"number", number_member(node, "number")},
              {"state", state_words(node)},
              {"bags", number_member(node, "bags")},
              {"term", number_member(node, "term")},
              {"beat", fmt::format("{:.1f} s", seconds_member(node, "beat_age_ms"))},
              {"load", text_member(node, "load")},
              {"weight", number_member(node, "weight")},
              {"version", text_member(node, "version")},
              {"configuration", config_words(node)}};
}

}  // namespace

std::string cluster_lines(const std::string& json) {
  Json view = parse_answer(json);
  if (view.empty()) return printable(json, kMemberShown) + "\n";
  std::string out = standing_line(view);
  out += database_lines(view);
  if (view.contains("lag_bytes"))
    out += fmt::format("the standby furthest behind lacks {} octets of the database's log\n",
                       number_member(view, "lag_bytes"));
  out += bags_line(view);
  if (const std::int64_t doubts = number_member(view, "in_doubt"); doubts > 0)
    out += fmt::format("recipients of this node that may have their message already: {}\n", doubts);
  if (const std::int64_t dropped = number_member(view, "history_dropped_bytes"); dropped > 0)
    out +=
        fmt::format("history of this node that other nodes will never read: {} octets\n", dropped);
  out += fmt::format("since the start of this node: {} fenced, {} bags adopted, {} given away\n\n",
                     number_member(view, "fences"), number_member(view, "adoptions"),
                     number_member(view, "gives"));
  if (std::uint64_t reached = number_member(view, "limits_reached"); reached > 0)
    out += fmt::format(
        "{} limits of connections over all nodes are reached, of which this node has {} places\n\n",
        reached, number_member(view, "places_claimed"));
  Json rows = Json::array();
  for (const Json& node : list_member(view, "nodes"))
    if (node.is_object()) rows.push_back(node_row(node));
  if (!rows.empty())
    out += value_lines(Json{{"nodes", rows}}.dump(-1, ' ', false, Json::error_handler_t::replace));
  return out;
}

}  // namespace postwain::tool
