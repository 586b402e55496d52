// Commands about nodes, over a cluster that is what the test says.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"

#include "qmgr/control/json/cluster_json.h"
#include "tests/unit/qmgr/control/fake_cluster.h"
#include "tests/unit/qmgr/qmgr_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;
using ipc::FrameType;
using ipc::Role;
using Json = nlohmann::ordered_json;

namespace {

// The last answer to a request that gets one.
ipc::ControlReply answer_to(Rig& rig, RawPeer& peer, const std::string& json) {
  std::size_t before = peer.count(FrameType::control_reply);
  peer.send(ipc::ControlRequest{before + 1, json});
  REQUIRE(rig.until([&] { return peer.count(FrameType::control_reply) > before; }));
  auto reply = peer.got<ipc::ControlReply>(before);
  CHECK(reply.last);
  return reply;
}

std::string about(const std::string& word, const std::string& node) {
  return R"({"command":"cluster )" + word + R"(","node":")" + node + "\"}";
}

}  // namespace

TEST_CASE("a queue of one machine has no nodes, whatever is asked about them") {
  Rig rig;
  auto peer = rig.peer(Role::control);
  for (const char* word : {"status", "drain", "join", "leave", "fence"}) {
    CAPTURE(word);
    auto reply = answer_to(rig, *peer, about(word, "mx1"));
    CHECK(reply.exit_code == kExitUsage);
    CHECK(reply.json.find("this queue belongs to one machine") != std::string::npos);
  }
  Json status = Json::parse(answer_to(rig, *peer, R"({"command":"status"})").json);
  CHECK_FALSE(status.contains("cluster"));
}

TEST_CASE("a cluster is shown as this node sees it") {
  FakeCluster cluster;
  Rig rig(nullptr, &cluster);
  auto peer = rig.peer(Role::control);
  auto reply = answer_to(rig, *peer, R"({"command":"cluster status"})");
  CHECK(reply.exit_code == kExitOk);
  Json shown = Json::parse(reply.json);
  CHECK(shown["node"] == "mx1");
  CHECK(shown["number"] == 0);
  CHECK(shown["term"] == 7);
  CHECK(shown["standing"] == "live");
  CHECK(shown["word_age_ms"] == 312);
  CHECK(shown["worth"] == "local");
  CHECK(shown["one_machine"] == true);
  CHECK(shown["server"] == "PostgreSQL 15.18 at db1");
  CHECK(shown["heard_ago_ms"].is_null());
  CHECK(shown["silent"] == false);
  CHECK_FALSE(shown.contains("database_trouble"));
  CHECK(shown["orphans"] == 2);
  CHECK(shown["fences"] == 1);
  CHECK(shown["adoptions"] == 21);
  CHECK(shown["gives"] == 3);
  CHECK(shown["history_dropped_bytes"] == 0);
  CHECK(shown["places_claimed"] == 9);
  CHECK(shown["limits_reached"] == 2);
  REQUIRE(shown["nodes"].size() == 4);
  CHECK(shown["nodes"][1] ==
        Json::parse(R"({"number":1,"name":"mx2","self":false,"state":"draining","stay":false,)"
                    R"("term":3,"beat_age_ms":480,"bags":22,"weight":4,"load":"busy",)"
                    R"("version":"1.2","config":"different","config_differs":["limits"]})"));
  CHECK(shown["nodes"][0]["self"] == true);
  CHECK(shown["nodes"][0]["load"] == "idle");
  CHECK(shown["nodes"][0]["config"] == "equal");
  CHECK(shown["nodes"][2]["config"] == "unknown");
  CHECK(shown["nodes"][2]["load"] == "normal");
  CHECK(shown["nodes"][3]["config"] == "equal");

  Json status = Json::parse(answer_to(rig, *peer, R"({"command":"status"})").json);
  CHECK(status["cluster"]["node"] == "mx1");
  CHECK(status["cluster"]["standing"] == "live");
  CHECK(status["cluster"]["worth"] == "local");
}

TEST_CASE("a view without this node, or with words that nobody knows, is shown all the same") {
  ClusterView view;
  view.standing = "joining";
  view.worth = "gold";
  view.word_age = std::chrono::milliseconds(-5);
  Json shown = Json::parse(json_cluster(view));
  CHECK(shown["node"] == "");
  CHECK(shown["standing"] == "joining");
  CHECK(shown["word_age_ms"] == 0);
  CHECK(shown["worth"] == "unknown");
  CHECK(shown["one_machine"] == true);
  CHECK(shown["nodes"].empty());
  view.heard = std::chrono::milliseconds(7);
  view.silent = true;
  view.database = "database q at db1 as q";
  view.database_trouble = "no answer in time";
  shown = Json::parse(json_cluster(view));
  CHECK(shown["heard_ago_ms"] == 7);
  CHECK(shown["silent"] == true);
  CHECK(shown["database"] == "database q at db1 as q");
  CHECK(shown["database_trouble"] == "no answer in time");
}

TEST_CASE("what may be done with a node is asked of the cluster, and nothing else is") {
  FakeCluster cluster;
  Rig rig(nullptr, &cluster);
  auto peer = rig.peer(Role::control);
  struct {
    const char* word;
    const char* node;
    const char* asked;  // null: refused
    int code;
    const char* says;
  } rows[] = {
      {"drain", "mx2", "drain mx2", kExitOk, R"({"ok":true,"node":"mx2"})"},
      {"drain", "old", "drain old", kExitOk, R"("node":"old")"},
      {"drain", "mx1", nullptr, kExitUsage, "mx1 is the last node that works"},
      {"join", "mx2", "join mx2", kExitOk, R"("node":"mx2")"},
      {"join", "old", "join old", kExitOk, R"("node":"old")"},
      {"leave", "old", "leave old", kExitOk, R"("node":"old")"},
      {"fence", "mx2", "fence mx2", kExitOk, R"("node":"mx2")"},
      {"drain", "", nullptr, kExitUsage, "say which node"},
      {"drain", "mx3", nullptr, kExitNoInput,
       "there is no node 'mx3'; there are mx1, mx2, old, dead"},
      {"drain", "1", nullptr, kExitNoInput, "there is no node '1'"},
      {"fence", "MX2", nullptr, kExitNoInput, "there is no node 'MX2'"},
      {"fence", "mx1", nullptr, kExitUsage, "mx1 is the node that is asked, and it lives"},
      {"fence", "old", nullptr, kExitNoInput, "old is gone already"},
      {"leave", "mx2", nullptr, kExitUsage, "mx2 is draining: only a node that is gone"},
      {"leave", "mx1", nullptr, kExitUsage, "mx1 is live: only a node that is gone"},
      {"leave", "dead", nullptr, kExitTempFail, "dead has 11 bags still"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.word, row.node);
    cluster.asked.clear();
    auto reply = answer_to(rig, *peer, about(row.word, row.node));
    CHECK(reply.exit_code == row.code);
    CHECK(reply.json.find(row.says) != std::string::npos);
    if (row.asked == nullptr)
      CHECK(cluster.asked.empty());
    else
      CHECK(cluster.asked == std::vector<std::string>{row.asked});
  }
  cluster.shown.nodes[1].state = "live";
  CHECK(answer_to(rig, *peer, about("drain", "mx1")).exit_code == kExitUsage);
  cluster.shown.nodes[1].stay = true;
  CHECK(answer_to(rig, *peer, about("drain", "mx1")).exit_code == kExitOk);
  cluster.shown.nodes.clear();
  CHECK(answer_to(rig, *peer, about("drain", "mx1")).json.find("there is none") !=
        std::string::npos);
}

TEST_CASE("what the cluster says of a command is told, also when it comes later") {
  FakeCluster cluster;
  Rig rig(nullptr, &cluster);
  auto peer = rig.peer(Role::control);
  cluster.error = "the database cannot be reached";
  auto reply = answer_to(rig, *peer, about("drain", "mx2"));
  CHECK(reply.exit_code == kExitTempFail);
  CHECK(reply.json == R"({"error":"the database cannot be reached"})");

  cluster.later = true;
  auto gone = rig.peer(Role::control);
  gone->send(ipc::ControlRequest{1, about("fence", "mx2")});
  peer->send(ipc::ControlRequest{9, about("join", "mx2")});
  REQUIRE(rig.until([&] { return cluster.waiting.size() == 2; }));
  gone.reset();
  // Other questions are answered meanwhile.
  CHECK(answer_to(rig, *peer, R"({"command":"cluster status"})").exit_code == kExitOk);
  std::size_t before = peer->count(FrameType::control_reply);
  for (auto& done : cluster.waiting) done("");
  REQUIRE(rig.until([&] { return peer->count(FrameType::control_reply) > before; }));
  CHECK(peer->got<ipc::ControlReply>(before).request == 9);
  CHECK(peer->got<ipc::ControlReply>(before).json == R"({"ok":true,"node":"mx2"})");
  CHECK(peer->count(FrameType::control_reply) == before + 1);
}
