// What a node does with the answers to its beats. The database is the test's own.
#include <bit>
#include <thread>

#include "common/base/boot_time.h"

#include "qmgr/nodes/nodes.h"
#include "tests/unit/queue/queue_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

// Rows of node and bag, and what the node under test has done to them.
class FakeDatabase final : public SharedQueue, public BeatService {
 public:
  explicit FakeDatabase(unsigned nodes) {
    for (unsigned i = 0; i < nodes; ++i) {
      NodeStatus node;
      node.row.id.value = static_cast<std::uint8_t>(i);
      node.row.term = {1};
      node.row.state = cluster::NodeState::live;
      node.name = std::string(1, static_cast<char>('a' + i));
      rows.push_back(node);
    }
    owners.assign(mail::kBags, 0);
  }

  void send(BeatOrder, OnAnswer done) override { waiting = std::move(done); }
  void answer(cluster::BeatEnd end = cluster::BeatEnd::ok) {
    BeatAnswer answer;
    answer.end = end;
    answer.answered_ms = boot_ms();
    answer.nodes = rows;
    for (unsigned i = 0; i < mail::kBags; ++i) {
      cluster::BagRow bag;
      bag.id.value = static_cast<std::uint8_t>(i);
      bag.owner = cluster::node_number(owners[i]);
      answer.bags.push_back(bag);
    }
    answer.facts = facts;
    answer.clock_difference = clock;
    REQUIRE(waiting);
    std::exchange(waiting, nullptr)(std::move(answer));
  }

  Self self() const override { return {0, 1, boot_ms()}; }
  std::uint64_t own_bags() const override { return 0; }
  const std::vector<AttemptName>& inherited() const override { return names; }
  void hide_bags(std::uint64_t) override {}
  void look_only_at(std::optional<std::uint64_t> bags) override {
    if (bags) looks.push_back(*bags);
  }
  void receive(std::uint64_t bags) override { received |= bags; }
  StoreResult<bool> fence(std::uint8_t node, std::int64_t, std::int64_t) override {
    fenced.push_back(node);
    return true;
  }
  StoreResult<Adopted> adopt(std::optional<Dead> from, std::uint64_t bags) override {
    dead = from;
    if (!adoptions_work) return Adopted{};
    adopted |= bags;
    return Adopted{true, names};
  }
  StoreResult<bool> give(std::uint8_t, std::uint8_t) override { return false; }
  StoreResult<bool> set_stay(const std::string& node, bool) override { return node == "b"; }
  StoreResult<bool> forget(const std::string&) override { return false; }
  StoreStatus leave() override { return {}; }

  std::vector<NodeStatus> rows;
  std::vector<int> owners;
  FactsMark facts;
  Duration clock{};
  OnAnswer waiting;
  std::vector<AttemptName> names;
  bool adoptions_work = true;
  std::uint64_t received = 0;
  std::uint64_t adopted = 0;
  std::optional<Dead> dead;
  std::vector<std::uint8_t> fenced;
  std::vector<std::uint64_t> looks;  // at single bags, or at some
};

// The beats of a Nodes, which owns them, are those of a database that outlives it.
class Beats final : public BeatService {
 public:
  explicit Beats(FakeDatabase& database) : database_(database) {}
  void send(BeatOrder order, OnAnswer done) override { database_.send(order, std::move(done)); }

 private:
  FakeDatabase& database_;
};

struct NodesRig {
  explicit NodesRig(unsigned nodes, std::uint64_t own = mail::kAllBags)
      : database(nodes), rig(disk) {
    rig.service.store().share(&database);
    node = std::make_unique<Nodes>(
        rig.loop, rig.queue, std::make_unique<Beats>(database), database.self(), own, "a",
        Nodes::Hooks{[this](const ipc::Word& word) { words.push_back(word); },
                     [this](std::uint64_t to_open, std::uint64_t) { open = to_open; },
                     [this] { ++changes; },
                     [this](const StoreError& error) { ends.push_back(error); },
                     [this] { ++facts; }, nullptr, [this](const BeatAnswer&) { ++beats; }});
    rig.start();
  }
  void beat(cluster::BeatEnd end = cluster::BeatEnd::ok) {
    database.answer(end);
    rig.service.run();
  }
  // Time passes for the timer as well.
  void until_next_beat() {
    net::Timer end(rig.loop);
    end.start(2 * cluster::kTiming.beat, [this] { rig.loop.stop(); });
    rig.loop.run();
  }
  // Asked for again by the timer, which does not run here.
  void ask_again(const BeatService::OnAnswer& last) { database.waiting = last; }

  Disk disk;
  FakeDatabase database;
  QueueRig rig;
  std::vector<ipc::Word> words;
  std::uint64_t open = 0;
  int changes = 0;
  int facts = 0;
  int beats = 0;
  std::vector<StoreError> ends;
  std::unique_ptr<Nodes> node;
};

constexpr std::uint64_t kEven = 0x5555555555555555;

}  // namespace

TEST_CASE("a node that has all bags works, and says how old the proof of it is") {
  NodesRig one(1);
  CHECK(one.open == mail::kAllBags);
  REQUIRE(one.words.size() == 1);  // of its registration
  one.beat();
  REQUIRE(one.words.size() == 2);
  CHECK(one.words[1].sent_ms >= one.words[0].sent_ms);
  CHECK(one.words[1].good_ms == 3000);
  CHECK_FALSE(one.words[1].fenced);
  CHECK(one.node->may_work());
  CHECK(one.node->trouble().empty());
  ClusterView view = one.node->view();
  CHECK(view.standing == "live");
  REQUIRE(view.own() != nullptr);
  CHECK(view.own()->bags == 64);
  CHECK(view.orphans == 0);
}

TEST_CASE("a node whose clock is wrong takes and sends nothing until it is right") {
  NodesRig one(1);
  const BeatService::OnAnswer ask = one.database.waiting;
  one.beat();
  const int changes = one.changes;
  auto beat_with = [&](Duration difference) {
    one.ask_again(ask);
    one.database.clock = difference;
    one.beat();
  };
  beat_with(std::chrono::seconds(5));  // told, no more
  CHECK(one.node->may_work());
  CHECK(one.node->trouble().empty());
  for (int seconds : {31, -31}) {
    beat_with(std::chrono::seconds(seconds));
    CHECK_FALSE(one.node->may_work());
    CHECK(one.node->trouble().find(seconds > 0 ? "31s ahead of" : "31s behind") !=
          std::string::npos);
    CHECK(one.node->view().clock_difference == std::chrono::seconds(seconds));
  }
  CHECK(one.changes == changes + 1);
  beat_with(std::chrono::seconds(1));
  CHECK(one.node->may_work());
  CHECK(one.node->trouble().empty());
  CHECK(one.changes == changes + 2);
}

TEST_CASE("a word is as old as the beat that it answers, however late the answer comes") {
  NodesRig one(1);
  const std::int64_t before = boot_ms();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  one.beat();
  REQUIRE(one.words.size() == 2);
  CHECK(one.words[1].sent_ms <= before);
}

TEST_CASE(
    "a beat without an answer says nothing, and one that finds the term ended ends the process") {
  NodesRig one(1);
  SECTION("away") {
    one.beat(cluster::BeatEnd::away);
    CHECK(one.words.size() == 1);
    CHECK(one.node->may_work());
    CHECK(one.ends.empty());
  }
  SECTION("fenced") {
    one.beat(cluster::BeatEnd::fenced);
    REQUIRE(one.ends.size() == 1);
    CHECK(one.ends[0].kind == StoreError::Kind::fenced);
    CHECK(one.words.back().fenced);
    CHECK_FALSE(one.node->may_work());
  }
  SECTION("fenced, in an orderly end") {
    one.node->stop();
    one.beat(cluster::BeatEnd::fenced);
    CHECK(one.ends.empty());
  }
  SECTION("another term in its row") {
    one.database.rows[0].row.term = {2};
    one.beat();
    CHECK(one.ends.size() == 1);
  }
}

TEST_CASE("bags that were given to a node are taken in") {
  NodesRig two(2, 0);
  CHECK_FALSE(two.node->may_work());
  CHECK(two.node->trouble().find("no part of the queue") != std::string::npos);
  two.database.owners.assign(mail::kBags, 1);
  for (unsigned i = 0; i < mail::kBags; i += 2) two.database.owners[i] = 0;
  two.beat();
  CHECK(two.database.received == kEven);
  CHECK(two.open == kEven);
  CHECK(two.node->may_work());
  for (std::uint64_t id = 1; id < 20; ++id)
    CHECK(two.rig.queue.bags().is_elsewhere(mail::QueueId{id}) == !mail::QueueId{id}.is_in(kEven));
}

// It stayed among those that are being given, and the node was never drained.
TEST_CASE("a bag that comes to a node which drains is given away, too") {
  NodesRig two(2, kEven);
  for (unsigned i = 1; i < mail::kBags; i += 2) two.database.owners[i] = 1;
  two.database.owners[1] = 0;
  two.database.rows[0].row.state = cluster::NodeState::draining;
  two.beat();
  CHECK(two.database.received == 2);
  CHECK(two.open == 2);
  two.until_next_beat();
  two.beat();
  CHECK(two.open == 0);
}

TEST_CASE("bags of a node that is gone are adopted, with what it may have delivered") {
  NodesRig two(2, kEven);
  for (unsigned i = 1; i < mail::kBags; i += 2) two.database.owners[i] = 1;
  two.database.rows[1].row.state = cluster::NodeState::gone;
  two.database.rows[1].row.term = {5};
  std::uint64_t id = 1;
  while (mail::QueueId{id}.is_in(kEven)) ++id;
  two.database.names = {{mail::QueueId{id}, 0}};
  SECTION("they are") {
    two.beat();
    CHECK(two.database.adopted == ~kEven);
    REQUIRE(two.database.dead);
    CHECK(two.database.dead->node == 1);
    CHECK(two.database.dead->term == 5);
    CHECK(two.open == mail::kAllBags);
    CHECK(two.node->view().adoptions == 32);
  }
  SECTION("somebody else was first") {
    two.database.adoptions_work = false;
    two.beat();
    CHECK(two.open == kEven);
    CHECK(two.ends.empty());
  }
}

TEST_CASE("a node that finds its bags with another one, and has not given them, ends") {
  NodesRig two(2);
  two.database.owners[7] = 1;
  two.beat();
  CHECK(two.ends.size() == 1);
}

TEST_CASE("each answered beat is told, and changes of suspensions when the start is complete") {
  NodesRig one(1);
  one.database.facts.suspensions = 3;
  auto again = one.database.waiting;
  one.beat();
  CHECK(one.facts == 1);  // those of before the first beat
  CHECK(one.beats == 1);
  one.ask_again(again);
  one.database.facts.breakers = 7;
  one.beat();
  CHECK(one.facts == 1);
  CHECK(one.beats == 2);
  one.ask_again(again);
  one.beat(cluster::BeatEnd::away);
  CHECK(one.beats == 2);
  one.ask_again(again);
  one.database.facts.suspensions = 4;
  one.beat();
  CHECK(one.facts == 2);
}

// Another node may have taken it back before the next beat, whose marks are then those of before.
TEST_CASE("what a node has suspended itself is looked at again, though the marks are the same") {
  NodesRig one(1);
  one.beat();
  one.until_next_beat();
  one.beat();
  const int before = one.facts;
  Suspension suspension;
  suspension.destination = "mx:example.org";
  REQUIRE(one.rig.queue.suspensions().suspend(suspension));
  one.rig.run();
  one.until_next_beat();
  one.beat(cluster::BeatEnd::away);
  CHECK(one.facts == before);
  one.until_next_beat();
  one.beat();
  CHECK(one.facts == before + 1);
  one.until_next_beat();
  one.beat();
  CHECK(one.facts == before + 1);
}

TEST_CASE("operators hear what cannot be done with a node") {
  NodesRig two(2, kEven);
  for (unsigned i = 1; i < mail::kBags; i += 2) two.database.owners[i] = 1;
  two.beat();
  std::string said = "nothing";
  auto say = [&](const std::string& error) { said = error; };
  two.node->fence("nobody", say);
  CHECK(said == "there is no node \"nobody\"");
  two.node->fence("a", say);
  CHECK(said.find("this is the node itself") != std::string::npos);
  two.node->fence("b", say);
  two.rig.service.run();
  CHECK(said.empty());
  CHECK(two.database.fenced == std::vector<std::uint8_t>{1});
  two.node->leave("b", say);
  two.rig.service.run();
  CHECK(said.find("lives, or has a part of the queue") != std::string::npos);
  two.node->set_stay("b", false, say);
  two.rig.service.run();
  CHECK(said.empty());
  two.node->set_stay("c", false, say);
  two.rig.service.run();
  CHECK(said == "there is no node \"c\"");
}

TEST_CASE("where there are many destinations, the start looks through one bag after the other") {
  constexpr std::uint64_t kMany = kStartPage + 100;
  Disk disk;
  {
    QueueRig before(disk);
    before.start();
    for (std::uint64_t id = 1; id <= kMany; ++id)
      before.accept(make_message(id, {"a@d" + std::to_string(id) + ".example"}));
  }
  FakeDatabase database(1);
  QueueRig rig(disk);
  rig.service.store().share(&database);
  const std::uint64_t closed = std::uint64_t{1} << mail::QueueId{1}.bag();
  rig.queue.bags().begin(~closed);
  rig.start();
  rig.run();
  std::size_t elsewhere = 0;
  for (std::uint64_t id = 1; id <= kMany; ++id)
    elsewhere += mail::QueueId{id}.is_in(closed) ? 1 : 0;
  CHECK(rig.leases().size() == kMany - elsewhere);
  std::uint64_t seen = 0;
  for (std::uint64_t bags : database.looks) {
    CHECK(std::has_single_bit(bags));
    seen |= bags;
  }
  CHECK(seen == ~closed);
}
