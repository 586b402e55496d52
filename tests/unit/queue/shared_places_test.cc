// Limits of connections that two nodes share: what is asked of the keeper, and what delivery
// clients get. The database is the test's own.
#include <catch2/catch.hpp>

#include <deque>
#include <map>
#include <memory>

#include "common/ipc/messages.h"
#include "common/net/loop.h"

#include "qmgr/nodes/shared_places.h"
#include "tests/unit/queue/no_tables.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

class FakeClaims final : public ClaimTable {
 public:
  explicit FakeClaims(std::map<std::string, std::map<int, cluster::Claim>>& rows, int node)
      : rows_(rows), node_(node) {}
  StoreResult<std::vector<cluster::Claim>> claim(std::span<const Wish> wishes) override {
    ++calls;
    std::vector<cluster::Claim> out;
    for (const Wish& one : wishes) {
      std::uint64_t others = 0;
      for (const auto& [node, claim] : rows_[one.key])
        if (node != node_) others += claim.places;
      cluster::Claim& mine = rows_[one.key][node_];
      mine = cluster::regrant(mine, one.keep, one.wanted, one.limit, one.kept_free, others);
      out.push_back(mine);
    }
    if (away) return StoreError{StoreError::Kind::away, "its answer was lost"};
    return out;
  }
  StoreResult<std::vector<Owned>> owned(const std::string&) override {
    if (away) return StoreError{StoreError::Kind::away, "away"};
    std::vector<Owned> out;
    for (const auto& [key, of_key] : rows_)
      if (auto mine = of_key.find(node_); mine != of_key.end()) out.push_back({key, mine->second});
    return out;
  }
  StoreStatus drop(const std::string&) override {
    if (away) return StoreError{StoreError::Kind::away, "away"};
    for (auto& [key, of_key] : rows_) of_key.erase(node_);
    return {};
  }
  StoreStatus sweep() override { return {}; }

  bool away = false;
  int calls = 0;

 private:
  std::map<std::string, std::map<int, cluster::Claim>>& rows_;
  int node_;
};

class FakeKeeper final : public KeeperService, private qmgr::test::NoTables {
 public:
  explicit FakeKeeper(FakeClaims& table) : table_(table) {}
  void post(Job job) override { jobs_.push_back(std::move(job)); }
  void run() {
    while (!jobs_.empty()) {
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      job (*this)();
    }
  }

 private:
  ClaimTable& claims() override { return table_; }
  FakeClaims& table_;
  std::deque<Job> jobs_;
};

template <class Message>
std::string payload_of(const Message& message) {
  std::string frame;
  REQUIRE(ipc::append_frame(frame, message));
  return frame.substr(6);
}

struct TwoNodes {
  struct Node {
    Node(TwoNodes& all, int number)
        : claims(all.rows, number),
          keeper(claims),
          leaves(all.loop),
          places(keeper, leaves, {static_cast<std::uint8_t>(number), 1, 0}) {
      leaves.open();
    }
    FakeClaims claims;
    FakeKeeper keeper;
    ConnectionLeaves leaves;
    SharedPlaces places;
  };
  void begin(int number) {
    auto status = std::make_unique<NodeStatus>();
    status->row.id.value = static_cast<std::uint8_t>(number);
    status->row.term = {1};
    status->row.state = cluster::NodeState::live;
    statuses[number] = *status;
    nodes[number] = std::make_unique<Node>(*this, number);
  }
  void beat(int number) {
    BeatOrder order;
    nodes[number]->places.fill_in(order);
    NodeStatus& row = statuses[number];
    ++row.row.beat.value;
    row.seen = order.seen;
    row.wants = order.wants;
    BeatAnswer answer;
    for (const auto& [n, status] : statuses) answer.nodes.push_back(status);
    nodes[number]->places.beat_answered(answer);
    nodes[number]->keeper.run();
  }
  void ask(int number, std::uint64_t first, std::uint64_t count, std::uint32_t limit) {
    for (std::uint64_t i = first; i < first + count; ++i)
      REQUIRE(nodes[number]->leaves.frame(
          1, ipc::FrameType::connection_request,
          payload_of(ipc::ConnectionRequest{i, 2, false, {{"mx\n", limit, 0, {}}}})));
  }
  std::uint32_t used(int number) {
    auto demands = nodes[number]->leaves.demands();
    return demands.empty() ? 0 : demands[0].used;
  }

  net::Loop loop;
  std::map<std::string, std::map<int, cluster::Claim>> rows;
  std::map<int, NodeStatus> statuses;
  std::map<int, std::unique_ptr<Node>> nodes;
};

}  // namespace

TEST_CASE("shared places: nothing is given before the first beat, and a node alone has all") {
  TwoNodes two;
  two.rows["place:mx\n"][0] = {4, 1};  // of a former life
  two.begin(0);
  two.ask(0, 1, 7, 5);
  CHECK(two.used(0) == 0);
  two.beat(0);
  CHECK(two.used(0) == 5);
  CHECK(two.rows["place:mx\n"].empty());
  two.beat(0);
  CHECK(two.nodes[0]->claims.calls == 0);
  CHECK_FALSE(two.nodes[0]->places.are_used());
}

TEST_CASE("shared places: what is open is written down before another node gets any") {
  TwoNodes two;
  two.begin(0);
  two.beat(0);
  two.ask(0, 1, 4, 5);
  CHECK(two.used(0) == 4);
  two.begin(1);
  two.ask(1, 1, 4, 5);
  for (int i = 0; i < 5; ++i) two.beat(1);
  CHECK(two.used(1) == 0);
  SECTION("it is") {
    two.beat(0);
    CHECK(two.rows["place:mx\n"][0].places == 3);
    two.beat(1);
    CHECK(two.used(1) == 0);  // nobody has said yet that he has read both
    two.beat(0);
    two.beat(1);
    CHECK(two.used(1) == 1);
    CHECK(two.used(0) + two.used(1) <= 5);
    CHECK(two.nodes[0]->places.are_used());
    ClusterView view;
    two.nodes[1]->places.describe(view);
    CHECK(view.limits_reached == 1);
  }
  SECTION("its answer is lost, so nobody is told") {
    two.nodes[0]->claims.away = true;
    for (int i = 0; i < 5; ++i) {
      two.beat(0);
      two.beat(1);
    }
    CHECK(two.nodes[0]->claims.calls >= 4);
    CHECK(two.used(1) == 0);
    two.nodes[0]->claims.away = false;
    for (int i = 0; i < 3; ++i) {
      two.beat(0);
      two.beat(1);
    }
    CHECK(two.used(1) == 1);
  }
}
