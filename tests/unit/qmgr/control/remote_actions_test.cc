// What an operator wants with messages of other nodes: who is asked, again and how long, and what
// he hears.
#include <catch2/catch.hpp>

#include "common/base/sysexits.h"

#include "qmgr/control/cluster/remote_actions.h"
#include "qmgr/control/json/command_json.h"
#include "tests/unit/qmgr/control/fake_cluster.h"
#include "tests/unit/queue/fake_keeper.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

constexpr const char* kHold = R"({"command":"queue hold","filter":{"all":true}})";

// The node 0, and an other one (1) that answers as the test says.
struct Rig {
  Rig() : other(loop, rows_keeper(1), 1, name), requests(loop, keeper, 0, name) {
    other.serve(Requests::Kind::action,
                [this](std::uint8_t from, const std::string& data, const Requests::Reply& reply) {
                  CHECK(from == 0);
                  Result<ActionOrder> order = parse_order(data);
                  REQUIRE(order.ok());
                  orders.push_back(*order);
                  if (silent) {
                    unanswered.push_back(reply);
                    return;
                  }
                  if (refusal) return reply(*refusal);
                  reply(json_result(answer));
                });
    actions = std::make_unique<RemoteActions>(
        loop, cluster, requests, [this](ActionOrder order, const RemoteActions::Done& done) {
          here.push_back(std::move(order));
          done(answer);
        });
  }
  FakeKeeper& rows_keeper(std::uint8_t self) {
    if (!other_keeper) other_keeper = std::make_unique<FakeKeeper>(rows, self);
    return *other_keeper;
  }
  void act(RemoteActions::Messages messages) {
    actions->act(kHold, "alice", std::move(messages),
                 [this](ActionResult result) { told.push_back(std::move(result)); });
  }
  // As beats would do it, for so long.
  void run(Duration time) {
    net::Timer beats(loop);
    beats.repeat(std::chrono::milliseconds(20), [this] {
      keeper.run();
      if (other_runs) {
        other.seen({true, true});
        other_keeper->run();
      }
      requests.seen({true, true});
      keeper.run();
      if (!told.empty()) loop.stop();
    });
    net::Timer stop(loop);
    stop.start(time, [this] { loop.stop(); });
    loop.run();
  }

  static std::string name(std::uint8_t node) { return "mx" + std::to_string(node + 1); }

  net::Loop loop;
  RequestRows rows;
  FakeKeeper keeper{rows, 0};
  std::unique_ptr<FakeKeeper> other_keeper;
  FakeCluster cluster;
  Requests other;
  Requests requests;
  std::unique_ptr<RemoteActions> actions;
  std::vector<ActionOrder> orders;
  std::vector<ActionOrder> here;
  std::vector<Requests::Reply> unanswered;
  bool silent = false;
  bool other_runs = true;
  std::optional<Error> refusal;
  ActionResult answer;
  std::vector<ActionResult> told;
};

const mail::QueueId kOne{1};
const mail::QueueId kTwo{2};

}  // namespace

TEST_CASE("orders go to the owners, and their results are one") {
  Rig rig;
  rig.cluster.owners = {{kOne, 1}, {kTwo, 0}};
  rig.answer.acted = {1, 1, 3, 2};
  rig.answer.hindered = {{"held", 1}};
  rig.act({{kOne, 3}, {kTwo, 3}});
  rig.run(std::chrono::seconds(5));
  REQUIRE(rig.told.size() == 1);
  REQUIRE(rig.orders.size() == 1);
  CHECK(rig.orders[0].ids == std::vector{kOne});
  CHECK(rig.orders[0].who == "alice");
  CHECK(rig.orders[0].command == kHold);
  REQUIRE(rig.here.size() == 1);
  CHECK(rig.here[0].ids == std::vector{kTwo});
  CHECK(rig.told[0].acted.matched == 2);
  CHECK(rig.told[0].acted.changed == 2);
  CHECK(rig.told[0].acted.recipients == 6);
  CHECK(rig.told[0].acted.recipients_changed == 4);
  CHECK(rig.told[0].hindered == std::map<std::string, std::size_t>{{"held", 2}});
  CHECK(rig.told[0].elsewhere.empty());
}

TEST_CASE("a message that has moved is asked for at the one who has it then") {
  Rig rig;
  rig.cluster.usual_owner = 1;
  rig.answer.elsewhere = {kTwo};
  rig.answer.acted = {1, 1, 1, 1};
  rig.act({{kOne, 1}, {kTwo, 1}});
  rig.run(std::chrono::milliseconds(200));
  CHECK(rig.told.empty());
  REQUIRE(rig.orders.size() == 1);
  rig.answer.elsewhere.clear();
  rig.cluster.owners = {{kTwo, 0}};  // it has come here
  rig.run(std::chrono::seconds(5));
  REQUIRE(rig.told.size() == 1);
  CHECK(rig.orders.size() == 1);
  REQUIRE(rig.here.size() == 1);
  CHECK(rig.here[0].ids == std::vector{kTwo});
  CHECK(rig.told[0].acted.changed == 2);
}

TEST_CASE("where a node has died its successor is asked") {
  Rig rig;
  rig.cluster.usual_owner = 1;
  rig.other_runs = false;
  rig.act({{kOne, 1}});
  rig.run(std::chrono::milliseconds(100));
  rig.cluster.dead = {1};
  rig.cluster.usual_owner = std::nullopt;
  rig.run(std::chrono::milliseconds(700));
  CHECK(rig.told.empty());
  rig.cluster.usual_owner = 0;
  rig.answer.acted = {1, 1, 1, 1};
  rig.run(std::chrono::seconds(5));
  REQUIRE(rig.told.size() == 1);
  CHECK(rig.told[0].acted.changed == 1);
  CHECK(rig.told[0].hindered.empty());
}

TEST_CASE("what cannot be done is told with its reason") {
  Rig rig;
  rig.cluster.usual_owner = 1;
  SECTION("the node refuses") {
    rig.refusal = Error{"mx2 has no database", kExitTempFail};
    rig.act({{kOne, 2}, {kTwo, 3}});
    rig.run(std::chrono::seconds(5));
    REQUIRE(rig.told.size() == 1);
    CHECK(rig.told[0].hindered == std::map<std::string, std::size_t>{{"mx2 has no database", 5}});
  }
  SECTION("the database is away") {
    rig.rows.trouble = StoreError{StoreError::Kind::away, "nobody there"};
    rig.act({{kOne, 2}});
    rig.run(std::chrono::seconds(5));
    REQUIRE(rig.told.size() == 1);
    CHECK(rig.told[0].hindered ==
          std::map<std::string, std::size_t>{{"mx2 cannot be asked now: nobody there", 2}});
  }
}

TEST_CASE("whose attempts run is asked of all other nodes that live") {
  Rig rig;
  rig.cluster.dead = {5, 6};
  rig.answer.acted = {4, 4, 4, 4};
  rig.actions->act_on_active(kHold, "alice",
                             [&](ActionResult result) { rig.told.push_back(std::move(result)); });
  rig.run(std::chrono::seconds(5));
  REQUIRE(rig.told.size() == 1);
  REQUIRE(rig.orders.size() == 1);
  CHECK(rig.orders[0].ids.empty());
  CHECK(rig.told[0].acted.matched == 4);
}

TEST_CASE("orders and results are read strictly") {
  ActionOrder order{kHold, "alice (uid 1, pid 2)", {kTwo, kOne, kTwo}};
  Result<ActionOrder> read = parse_order(json_order(order));
  REQUIRE(read.ok());
  CHECK(read->command == kHold);
  CHECK(read->who == order.who);
  CHECK(read->ids == std::vector{kOne, kTwo});
  ActionResult result{{1, 2, 3, 4}, {{"why \xFF", 5}}, {kOne}};
  Result<ActionResult> got = parse_result(json_result(result));
  REQUIRE(got.ok());
  CHECK(got->acted.recipients_changed == 4);
  CHECK(got->hindered.size() == 1);
  CHECK(got->elsewhere == std::vector{kOne});
  for (const char* wrong :
       {"", "{", "[]", "7", R"({"command":1,"who":"","ids":[]})", R"({"command":"","who":""})",
        R"({"command":"","who":"","ids":["x"]})", R"({"command":"","who":"","ids":[1]})",
        R"({"command":"","who":"","ids":{}})"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_order(wrong).ok());
  }
  for (
      const char* wrong :
      {"", "null", R"({"matched":1})",
       R"({"matched":-1,"changed":0,"recipients":0,"recipients_changed":0,"not_tried":[],"elsewhere":[]})",
       R"({"matched":1e30,"changed":0,"recipients":0,"recipients_changed":0,"not_tried":[],"elsewhere":[]})",
       R"({"matched":1,"changed":0,"recipients":0,"recipients_changed":0,"not_tried":[1],"elsewhere":[]})",
       R"({"matched":1,"changed":0,"recipients":0,"recipients_changed":0,"not_tried":[{"why":"x"}],"elsewhere":[]})",
       R"({"matched":1,"changed":0,"recipients":0,"recipients_changed":0,"not_tried":[],"elsewhere":7})"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_result(wrong).ok());
  }
  std::string many = R"({"command":"","who":"","ids":[)";
  for (std::size_t i = 0; i <= kOrderMessages; ++i)
    many += (i == 0 ? "\"" : ",\"") + mail::QueueId{i + 1}.text() + "\"";
  CHECK_FALSE(parse_order(many + "]}").ok());
}

// All mail of a node waits for its loop; in half a minute others would end its term.
TEST_CASE("an answer that consists of members alone is read in a moment") {
  std::string answer = "{";
  for (std::size_t i = 0; answer.size() < kAnswerMax - 20; ++i)
    answer += "\"" + std::to_string(i) + "\":0,";
  answer.back() = '}';
  const auto began = std::chrono::steady_clock::now();
  CHECK_FALSE(parse_result(answer).ok());
  CHECK_FALSE(parse_order(answer).ok());
  CHECK_FALSE(parse_command(answer).ok());
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(5));
}

TEST_CASE("a result that another node has summed up too high can be told again") {
  const std::string why = R"({"why":"it is held","recipients":1000000000})";
  Result<ActionResult> result = parse_result(
      R"({"matched":0,"changed":0,"recipients":0,"recipients_changed":0,"not_tried":[)" + why +
      "," + why + R"(],"elsewhere":[]})");
  REQUIRE(result.ok());
  CHECK(result->hindered.at("it is held") == 1'000'000'000);
  CHECK(parse_result(json_result(*result)).ok());
}
