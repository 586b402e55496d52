// Rates that two nodes share: what is asked of the keeper and when, and who is told. The database
// is the test's own.
#include <catch2/catch.hpp>

#include <deque>
#include <map>
#include <memory>
#include <set>

#include "common/net/loop.h"

#include "qmgr/nodes/shared_paces.h"
#include "tests/unit/queue/no_tables.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;

namespace {

class FakePaces final : public PaceTable {
 public:
  explicit FakePaces(std::map<std::string, WallTime>& rows) : rows_(rows) {}
  StoreResult<std::vector<Duration>> take(std::span<const Wish> wishes) override {
    ++calls;
    most_wishes = std::max(most_wishes, wishes.size());
    std::set<std::string> keys;
    std::vector<Duration> aheads;
    for (const Wish& one : wishes) {
      keys.insert(one.key);
      auto moves = cluster::moved(rows_[one.key], wall_now(), one.burst, one.span, one.most);
      rows_[one.key] = moves.next;
      aheads.push_back(moves.stood);
    }
    CHECK(keys.size() == wishes.size());
    if (away) return StoreError{StoreError::Kind::away, "its answer was lost"};
    return aheads;
  }
  StoreStatus sweep() override { return {}; }

  bool away = false;
  int calls = 0;
  std::size_t most_wishes = 0;

 private:
  std::map<std::string, WallTime>& rows_;
};

class PaceKeeper final : public KeeperService, private qmgr::test::NoTables {
 public:
  explicit PaceKeeper(FakePaces& table) : table_(table) {}
  void post(Job job) override { jobs_.push_back(std::move(job)); }
  void run() {
    while (!jobs_.empty()) {
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      job (*this)();
    }
  }
  std::size_t waiting() const { return jobs_.size(); }

 private:
  PaceTable& paces() override { return table_; }
  FakePaces& table_;
  std::deque<Job> jobs_;
};

struct PacedNode {
  explicit PacedNode(std::uint8_t own, std::map<std::string, WallTime>& rows)
      : number(own),
        table(rows),
        keeper(table),
        paces(loop, keeper, {own, 3, 0}, [this] { ++changed; }) {}
  // nodes: that live, of which this is one.
  void beat(std::initializer_list<std::uint8_t> nodes, std::int64_t own_term = 3) {
    BeatAnswer answer;
    for (std::uint8_t one : nodes) {
      NodeStatus status;
      status.row.id = {one};
      status.row.term = {one == number ? own_term : 5};
      status.row.state = cluster::NodeState::live;
      answer.nodes.push_back(status);
    }
    NodeStatus dead;
    dead.row.id = {9};
    dead.row.state = cluster::NodeState::gone;
    answer.nodes.push_back(dead);
    paces.beat_answered(answer);
    turn();
  }
  // A turn of the loop, without its keeper.
  void turn() {
    net::Timer timer(loop);
    timer.start(0ms, [this] { loop.at_turn_end(&changed, [this] { loop.stop(); }); });
    loop.run();
  }
  std::optional<Duration> wait(const std::string& key, cluster::Rate rate = {10, 1s}) {
    return paces.wait(key, rate, 100ms);
  }

  std::uint8_t number;
  net::Loop loop;
  FakePaces table;
  PaceKeeper keeper;
  int changed = 0;
  SharedPaces paces;
};

}  // namespace

TEST_CASE("shared paces: nothing is known or asked before the first beat, and alone nothing is") {
  std::map<std::string, WallTime> rows;
  PacedNode node(0, rows);
  CHECK(node.paces.is_shared());
  CHECK_FALSE(node.wait("x"));
  node.turn();
  CHECK(node.keeper.waiting() == 0);
  node.beat({0, 1}, 2);  // of a former life
  CHECK(node.keeper.waiting() == 0);
  CHECK(node.changed == 0);
  node.beat({0});
  CHECK_FALSE(node.paces.is_shared());
  CHECK(node.changed == 1);  // whoever waits counts by himself now
  node.beat({0});
  CHECK(node.changed == 1);
  node.turn();
  CHECK(node.keeper.waiting() == 0);
}

TEST_CASE(
    "shared paces: what is wanted in a turn is one call, and who waits is told of its answer") {
  std::map<std::string, WallTime> rows;
  PacedNode node(0, rows);
  node.beat({0, 1});
  CHECK(node.changed == 1);
  for (int i = 0; i < 500; ++i) CHECK_FALSE(node.wait("k" + std::to_string(i)));
  CHECK(node.keeper.waiting() == 0);
  node.turn();
  CHECK(node.keeper.waiting() == 1);
  CHECK_FALSE(node.wait("k0"));
  node.turn();
  CHECK(node.keeper.waiting() == 1);  // one at a time
  node.keeper.run();
  CHECK(node.changed == 2);
  CHECK(node.wait("k0") == 0ms);
  CHECK(node.wait("k199") == 0ms);
  CHECK_FALSE(node.wait("k200"));
  for (int i = 0; i < 2; ++i) {
    node.turn();
    node.keeper.run();
  }
  CHECK(node.wait("k499") == 0ms);
  CHECK(node.table.calls == 3);
  CHECK(node.table.most_wishes == kPaceWishesMax);
  node.paces.take("k0");
  CHECK_FALSE(node.wait("k0"));
}

TEST_CASE("shared paces: two nodes have one sequence, and the second waits for the first") {
  std::map<std::string, WallTime> rows;
  PacedNode a(0, rows);
  PacedNode b(1, rows);
  const cluster::Rate rate{1, 3s};
  auto ask = [&](PacedNode& node) {
    (void)node.wait("x", rate);
    node.turn();
    node.keeper.run();
    return node.wait("x", rate);
  };
  a.beat({0, 1});
  b.beat({0, 1});
  CHECK(ask(a) == 0ms);
  const auto left = ask(b);
  REQUIRE(left);
  CHECK(*left > 0ms);
  CHECK(*left <= 3s);
}

TEST_CASE("shared paces: a call that fails is made again, after a pause, and nobody is forgotten") {
  std::map<std::string, WallTime> rows;
  PacedNode node(0, rows);
  node.beat({0, 1});
  node.table.away = true;
  CHECK_FALSE(node.wait("x"));
  node.turn();
  node.keeper.run();
  CHECK(node.table.calls == 1);
  CHECK(node.changed == 1);
  CHECK_FALSE(node.wait("x"));
  node.turn();
  CHECK(node.keeper.waiting() == 0);  // not at once
  node.table.away = false;
  while (node.keeper.waiting() == 0) node.turn();
  node.keeper.run();
  CHECK(node.changed == 2);
  CHECK(node.wait("x").has_value());
}

TEST_CASE("shared paces: an answer that comes when this node is alone is nobody's") {
  std::map<std::string, WallTime> rows;
  PacedNode node(0, rows);
  node.beat({0, 1});
  CHECK_FALSE(node.wait("x"));
  node.turn();
  node.beat({0});
  CHECK_FALSE(node.paces.is_shared());
  node.keeper.run();
  node.beat({0, 1});
  CHECK(node.paces.is_shared());
  CHECK_FALSE(node.wait("x"));
  node.turn();
  node.keeper.run();
  CHECK(node.wait("x").has_value());
}
