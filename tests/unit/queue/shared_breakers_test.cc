// Several nodes that share their breakers by one table. Each node is a whole queue, in virtual
// time; the table is the test's own, with a clock that agrees with no node's.
#include <deque>
#include <random>

#include "qmgr/destinations/shared_breakers.h"
#include "tests/unit/queue/no_tables.h"
#include "tests/unit/queue/queue_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

// As the rows in the database are, with the rules of its statements.
struct Row {
  std::uint32_t opens = 0;
  std::int64_t hold_until = 0;
  std::int64_t opened_at = 0;
  std::int64_t changed = 0;
  std::string reason;
  int trial = -1;
};
struct Rows {
  std::map<std::string, Row> rows;
  std::int64_t now = 5'000'000;
  std::set<int> dead;

  std::int64_t mark() const {
    std::int64_t sum = 0;
    for (const auto& [key, row] : rows) sum += row.changed;
    return sum;
  }
  SharedBreaker state(const std::string& key) const {
    const Row& row = rows.at(key);
    return {key,        row.opens,  Duration(now - row.opened_at), Duration(row.hold_until - now),
            row.reason, row.changed};
  }
};

class FakeTable final : public BreakerTable {
 public:
  FakeTable(Rows& rows, int node) : rows_(rows), node_(node) {}

  StoreStatus write(std::span<const BreakerWrite> writes) override {
    if (away) return gone();
    for (const BreakerWrite& one : writes) write_one(one);
    return lost ? StoreStatus(gone()) : StoreStatus();
  }
  StoreResult<Page> changes(const BreakerCursor& from) override {
    if (away) return gone();
    Page page;
    for (const auto& [key, row] : rows_.rows)
      if (row.changed > from.changed) page.changed.push_back(rows_.state(key));
    page.next.changed = rows_.now - 10'000;
    return page;
  }
  StoreResult<Trials> begin_trials(std::span<const Wish> wishes) override {
    if (away) return gone();
    Trials trials;
    for (const Wish& wish : wishes) {
      auto found = rows_.rows.find(wish.key);
      if (found == rows_.rows.end()) continue;
      Row& row = found->second;
      bool free = row.trial < 0 || row.trial == node_ || rows_.dead.count(row.trial) > 0;
      if (row.opens > 0 && row.changed == wish.changed && free) {
        row.trial = node_;
        trials.granted.push_back(wish.key);
      }
      trials.states.push_back(rows_.state(wish.key));
    }
    if (lost) return gone();
    return trials;
  }
  StoreStatus end_trials(std::span<const std::string> keys) override {
    if (away) return gone();
    for (const std::string& key : keys)
      if (auto found = rows_.rows.find(key); found != rows_.rows.end())
        if (found->second.trial == node_) found->second.trial = -1;
    return lost ? StoreStatus(gone()) : StoreStatus();
  }
  StoreStatus forget_old() override { return {}; }

  bool away = false;
  bool lost = false;  // what is done is done, and the answer does not come

 private:
  static StoreError gone() { return {StoreError::Kind::away, "away"}; }
  void write_one(const BreakerWrite& one) {
    const SharedBreaker& b = one.breaker;
    auto found = rows_.rows.find(b.key);
    bool open = found != rows_.rows.end() && found->second.opens > 0;
    if (!open && (b.opens == 0 || !one.opens_it)) return;
    Row& row = rows_.rows[b.key];
    std::int64_t hold = rows_.now + b.hold_for.count();
    row.hold_until = open ? std::max(row.hold_until, hold) : hold;
    row.opened_at = rows_.now - b.open_for.count();
    row.opens = b.opens == 0 ? 0 : open ? std::max(row.opens, b.opens) : b.opens;
    row.reason = b.reason;
    row.changed = std::max(rows_.now, row.changed + 1);
  }

  Rows& rows_;
  int node_;
};

// Jobs run when the test says so.
class FakeKeeper final : public KeeperService, private qmgr::test::NoTables {
 public:
  FakeKeeper(Rows& rows, int node) : table(rows, node) {}
  void post(Job job) override { jobs_.push_back(std::move(job)); }
  bool run_one() {
    if (jobs_.empty()) return false;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    job (*this)();
    return true;
  }
  FakeTable table;

 private:
  BreakerTable& breakers() override { return table; }
  std::deque<Job> jobs_;
};

struct Node {
  Node(Rows& the_rows, int number, Duration clock_ahead)
      : rows(the_rows),
        rig(disk, config_of_rig(), clock_ahead),
        keeper(the_rows, number),
        shared(rig.clock, keeper, rig.queue.breakers()) {
    rig.queue.breakers().share(shared);
    rig.start();
    beat();
  }
  // A beat, and all that follows.
  void beat() {
    shared.beat(rows.mark());
    settle();
  }
  void settle() {
    do rig.run();
    while (keeper.run_one());
  }
  void take_in(std::uint64_t first, int count, const std::string& to = "a@example.org") {
    for (int i = 0; i < count; ++i)
      rig.accept(make_message(first + static_cast<std::uint64_t>(i), {to}));
  }
  std::vector<Pick> attempts() {
    std::vector<Pick> picks = rig.leases();
    settle();
    return picks;
  }
  void end(const Pick& pick, const mail::Outcome& outcome) {
    rig.end(pick, outcome);
    settle();
  }
  void open(std::uint64_t first = 1) {
    take_in(first, 5);
    for (const Pick& pick : attempts()) end(pick, unreachable());
    REQUIRE(is_open());
  }
  const DestinationHealth& health() {
    return rig.queue.scheduler().health(*rig.queue.scheduler().find("mx:example.org"));
  }
  bool is_open() { return health().is_open(); }
  Duration hold() {
    return std::chrono::duration_cast<Duration>(health().hold_until() - rig.clock.wall());
  }

  Rows& rows;
  Disk disk;
  QueueRig rig;
  FakeKeeper keeper;
  SharedBreakers shared;
};

struct Cluster {
  explicit Cluster(int count) {
    for (int i = 0; i < count; ++i)
      nodes.push_back(std::make_unique<Node>(rows, i, i * std::chrono::minutes(7)));
  }
  void pass(Duration time) {
    rows.now += time.count();
    for (auto& node : nodes) {
      node->rig.clock.pass(time);
      node->settle();
    }
  }
  void beat() {
    for (auto& node : nodes) node->beat();
  }
  Node& operator[](std::size_t i) { return *nodes[i]; }

  Rows rows;
  std::vector<std::unique_ptr<Node>> nodes;
};

const std::string kKey = "mx:example.org";

}  // namespace

TEST_CASE("a breaker that one node opens stops the attempts of all, for as long") {
  Cluster c(3);
  c[1].take_in(100, 1);
  for (const Pick& pick : c[1].attempts()) c[1].end(pick, deferred());
  c[0].open();
  c[1].take_in(101, 3);
  c.beat();
  for (std::size_t i = 1; i < 3; ++i) {
    CAPTURE(i);
    CHECK(c[i].is_open());
    CHECK(c[i].hold() == c[0].hold());
    CHECK(c[i].rig.queue.breakers().reason_at(kKey) == c[0].rig.queue.breakers().reason_at(kKey));
  }
  CHECK(c[1].attempts().empty());
  std::optional<Wait> wait = c[1].rig.queue.waits().at(kKey, c[1].rig.clock.wall());
  REQUIRE(wait);
  CHECK(wait->cause == WaitCause::breaker);
}

TEST_CASE("of two nodes that open a breaker at once both hold for as long as the longer one") {
  Cluster c(2);
  c[0].open();
  c[1].open(50);
  c[1].take_in(100, 1);
  c.beat();
  c.beat();
  CHECK(c[0].hold() == c[1].hold());
  CHECK(c[0].health().opens() == 1);
  CHECK(c.rows.rows.at(kKey).hold_until == c.rows.now + c[0].hold().count());
}

TEST_CASE("while a breaker is half open one node makes one attempt") {
  Cluster c(3);
  c[0].open();
  for (std::size_t i = 0; i < 3; ++i) c[i].take_in(100 * (i + 1), 3);
  c.beat();
  c.pass(c[0].hold() + std::chrono::seconds(1));
  std::vector<Pick> picks;
  std::size_t who = 0;
  for (std::size_t i = 0; i < 3; ++i)
    for (Pick& pick : c[i].attempts()) {
      picks.push_back(std::move(pick));
      who = i;
    }
  REQUIRE(picks.size() == 1);
  c.beat();
  c.pass(kTrialAgain);
  for (std::size_t i = 0; i < 3; ++i) CHECK(c[i].attempts().empty());
  Node& other = c[(who + 1) % 3];
  SECTION("its success closes the breaker for all, and brings all mail forward") {
    c[who].end(picks[0], delivered());
    c.beat();
    CHECK_FALSE(other.is_open());
    CHECK(other.attempts().size() == 2);
    CHECK(c.rows.rows.at(kKey).opens == 0);
    CHECK(c.rows.rows.at(kKey).trial == -1);
    CHECK(other.rig.queue.breakers().reason_at(kKey).empty());
  }
  SECTION("its failure holds all of them") {
    c[who].end(picks[0], unreachable());
    c.beat();
    c.beat();
    CHECK(other.health().opens() == 2);
    CHECK(other.hold() == c[who].hold());
    CHECK(other.hold() > std::chrono::minutes(1));
    CHECK(c.rows.rows.at(kKey).trial == -1);
    c.pass(other.hold() + std::chrono::seconds(1));
    std::size_t again = 0;
    for (std::size_t i = 0; i < 3; ++i) again += c[i].attempts().size();
    CHECK(again == 1);
  }
  SECTION("its node dies: another one makes the trial") {
    c.rows.dead.insert(static_cast<int>(who));
    c.pass(kTrialAgain);
    std::size_t again = 0;
    for (std::size_t i = 0; i < 3; ++i)
      if (i != who) again += c[i].attempts().size();
    CHECK(again == 1);
  }
}

TEST_CASE("a trial that does not begin is given back") {
  Cluster c(2);
  c[0].open();
  c.beat();
  c[1].take_in(100, 1);
  c.pass(c[0].hold() + std::chrono::seconds(1));
  // The mail that asked for it waits, for want of an agent.
  int holder = c.rows.rows.at(kKey).trial;
  REQUIRE(holder >= 0);
  c.pass(kTrialUnused);
  c[static_cast<std::size_t>(holder)].beat();
  CHECK(c.rows.rows.at(kKey).trial == -1);
}

TEST_CASE("without the table nothing is tried, and what happened is written later") {
  Cluster c(2);
  c[0].open();
  c[1].take_in(100, 1);
  c.beat();
  c[0].keeper.table.away = true;
  c[1].keeper.table.away = true;
  c.pass(c[0].hold() + std::chrono::minutes(1));
  CHECK(c[0].attempts().empty());
  CHECK(c[1].attempts().empty());
  c[1].keeper.table.away = false;
  c.pass(kTrialAgain);
  std::vector<Pick> picks = c[1].attempts();
  REQUIRE(picks.size() == 1);
  c[1].keeper.table.away = true;
  c[1].end(picks[0], delivered());
  CHECK_FALSE(c[1].is_open());
  CHECK(c.rows.rows.at(kKey).opens == 1);
  c[1].beat();
  c[1].keeper.table.away = false;
  c[1].beat();
  CHECK(c.rows.rows.at(kKey).opens == 0);
  CHECK_FALSE(c[1].is_open());
  c[0].keeper.table.away = false;
  c.beat();
  CHECK_FALSE(c[0].is_open());
}

TEST_CASE("a breaker that the table does not know any more is closed when its trial is asked for") {
  Cluster c(1);
  c[0].open();
  c[0].beat();
  c.rows.rows.clear();
  c[0].beat();
  CHECK(c[0].is_open());
  c[0].take_in(100, 1);
  c.pass(c[0].hold() + std::chrono::seconds(1));
  CHECK_FALSE(c[0].is_open());
  CHECK_FALSE(c[0].attempts().empty());
}

TEST_CASE("a further hold does not open again what another node has closed") {
  Cluster c(2);
  c[0].open();
  c[1].take_in(100, 1);
  std::vector<Pick> early = c[1].attempts();
  REQUIRE(early.size() == 1);
  c.beat();
  c[0].take_in(200, 1);
  c.pass(c[0].hold() + std::chrono::seconds(1));
  // It closes, and node 1 has not heard of that when its old attempt fails.
  for (std::size_t i = 0; i < 2; ++i)
    for (const Pick& pick : c[i].attempts()) c[i].end(pick, delivered());
  REQUIRE(c.rows.rows.at(kKey).opens == 0);
  c[1].end(early[0], unreachable());
  c.beat();
  c.beat();
  CHECK(c.rows.rows.at(kKey).opens == 0);
  CHECK_FALSE(c[0].is_open());
  CHECK_FALSE(c[1].is_open());
}

// Anything in any order: never more than one attempt at a half-open breaker, and in the end all
// agree with the table, and all mail is delivered.
TEST_CASE("nodes that share a breaker agree, whatever is lost on the way") {
  for (std::uint32_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    std::minstd_rand random(seed);
    Cluster c(3);
    std::vector<std::vector<Pick>> running(3);
    std::uint64_t id = 1;
    for (int step = 0; step < 300; ++step) {
      std::size_t i = random() % 3;
      Node& node = c[i];
      node.keeper.table.away = random() % 5 == 0;
      node.keeper.table.lost = random() % 5 == 0;
      switch (random() % 6) {
        case 0:
          node.take_in(id++ * 3 + i, 1);
          break;
        case 1:
          c.pass(std::chrono::seconds(1 + random() % 200));
          break;
        case 2:
          node.beat();
          break;
        case 3:
          for (Pick& pick : node.attempts()) running[i].push_back(std::move(pick));
          break;
        default:
          if (running[i].empty()) break;
          Pick pick = std::move(running[i].back());
          running[i].pop_back();
          node.end(pick, random() % 8 == 0 ? deferred() : unreachable());
          break;
      }
      std::size_t trials = 0;
      for (const auto& picks : running)
        trials += static_cast<std::size_t>(
            std::count_if(picks.begin(), picks.end(), [](const Pick& p) { return p.trial; }));
      REQUIRE(trials <= 1);
    }
    for (std::size_t i = 0; i < 3; ++i) {
      c[i].keeper.table.away = c[i].keeper.table.lost = false;
      for (const Pick& pick : running[i]) c[i].end(pick, delivered());
      running[i].clear();
    }
    for (int round = 0; round < 100; ++round) {
      c.pass(std::chrono::minutes(1));
      c.beat();
      // The first look asks for a trial, the second makes it.
      for (std::size_t look = 0; look < 6; ++look)
        for (const Pick& pick : c[look % 3].attempts()) c[look % 3].end(pick, delivered());
    }
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(c[i].rig.messages() == 0);
      if (auto known = c[i].rig.queue.scheduler().find(kKey))
        CHECK_FALSE(c[i].rig.queue.scheduler().health(*known).is_open());
    }
    if (c.rows.rows.count(kKey) > 0) CHECK(c.rows.rows.at(kKey).opens == 0);
  }
}
