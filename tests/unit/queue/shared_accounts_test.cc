// Limits of accounts that two nodes share: what is asked of the keeper, and when. The database is
// the test's own.
#include <catch2/catch.hpp>

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "qmgr/nodes/shared_accounts.h"
#include "tests/unit/queue/no_tables.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using Kind = AccountLimits::Kind;

namespace {

using Rows = std::map<std::string, Duration>;  // whose time stands still

class FakePaces final : public PaceTable {
 public:
  explicit FakePaces(Rows& rows) : rows_(rows) {}
  StoreResult<std::vector<Duration>> take(std::span<const Wish> wishes) override {
    ++calls;
    if (away) return StoreError{StoreError::Kind::away, "away"};
    CHECK(wishes.size() <= kPaceWishesMax);
    std::vector<Duration> out;
    for (const Wish& one : wishes) {
      CHECK(one.burst == Duration{});
      CHECK(one.key.size() <= kPaceKeyMax);
      out.push_back(rows_[one.key]);
      rows_[one.key] += one.span;
    }
    return out;
  }
  StoreStatus sweep() override { return {}; }

  bool away = false;
  int calls = 0;

 private:
  Rows& rows_;
};

class FakeKeeper final : public KeeperService, private qmgr::test::NoTables {
 public:
  explicit FakeKeeper(FakePaces& table) : table_(table) {}
  void post(Job job) override { jobs_.push_back(std::move(job)); }
  std::size_t jobs() const { return jobs_.size(); }
  void run() {
    while (!jobs_.empty()) {
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      job (*this)();
    }
  }

 private:
  PaceTable& paces() override { return table_; }
  FakePaces& table_;
  std::deque<Job> jobs_;
};

config::Auth four_a_day() {
  config::Auth out;
  out.limit = {{4, 24h}, {40, 24h}, config::OverRate::hold, {"t.toml", 3, 1}};
  return out;
}

struct Node {
  explicit Node(Rows& rows) : paces(rows), keeper(paces), accounts(keeper, limits) {}
  bool pass(const std::string& account = "ann") {
    return limits.count(account, 1, mono_now()).kind == Kind::pass;
  }
  void beat(int nodes) {
    BeatAnswer answer;
    for (int i = 0; i < 3; ++i) {
      NodeStatus status;
      status.row.id.value = static_cast<std::uint8_t>(i);
      status.row.state = i < nodes ? cluster::NodeState::live : cluster::NodeState::gone;
      answer.nodes.push_back(status);
    }
    accounts.beat_answered(answer);
  }

  AccountLimits limits{four_a_day()};
  FakePaces paces;
  FakeKeeper keeper;
  SharedAccounts accounts;
};

}  // namespace

TEST_CASE("shared accounts: a node alone tells nothing, and all of it when there are two") {
  Rows rows;
  Node one(rows);
  CHECK(one.pass());
  one.beat(1);
  CHECK(one.pass());
  CHECK(one.pass());
  CHECK(one.keeper.jobs() == 0);
  one.beat(2);
  one.keeper.run();
  CHECK(one.paces.calls == 1);
  CHECK(rows.size() == 2);
  CHECK(rows["account:m:ann"] > 17h);
  CHECK(rows["account:m:ann"] <= 18h);
  CHECK(rows["account:r:ann"] <= 108min);
  one.beat(1);
  one.pass();
  CHECK(one.keeper.jobs() == 0);
}

TEST_CASE("shared accounts: what a node counts it tells at once, and hears what others have") {
  Rows rows;
  Node one(rows);
  Node other(rows);
  one.beat(2);
  other.beat(2);
  CHECK(one.keeper.jobs() == 0);
  CHECK(one.pass());
  CHECK(one.pass());  // while it is told of the first one
  CHECK(one.keeper.jobs() == 1);
  one.keeper.run();
  CHECK(one.paces.calls == 2);
  CHECK(other.pass());
  other.keeper.run();
  CHECK(other.pass());
  CHECK_FALSE(other.pass());
  other.keeper.run();
  CHECK(other.keeper.jobs() == 0);
  CHECK(rows["account:m:ann"] <= 24h);
  other.limits.give_back("ann", 1, mono_now());
  CHECK(other.keeper.jobs() == 1);
}

TEST_CASE("shared accounts: without the database a node counts alone, and tries at each beat") {
  Rows rows;
  Node one(rows);
  one.beat(2);
  one.paces.away = true;
  CHECK(one.pass());
  one.keeper.run();
  CHECK(one.paces.calls == 1);
  CHECK(one.pass());
  CHECK(one.keeper.jobs() == 0);
  one.beat(2);
  one.keeper.run();
  CHECK(one.paces.calls == 2);
  one.paces.away = false;
  one.beat(2);
  one.keeper.run();
  CHECK(rows["account:m:ann"] > 11h);
  CHECK(rows["account:m:ann"] <= 12h);
  CHECK(one.pass());
  CHECK(one.pass());
  CHECK_FALSE(one.pass());
}

TEST_CASE("shared accounts: as many as one call takes, the others with the next one") {
  Rows rows;
  Node one(rows);
  one.beat(1);
  for (int i = 0; i < 250; ++i) one.pass("u" + std::to_string(i));
  one.beat(2);
  one.keeper.run();
  CHECK(rows.size() == 500);
  CHECK(one.paces.calls == 3);
}

TEST_CASE("shared accounts: long names are cut and told apart") {
  Rows rows;
  Node one(rows);
  one.beat(2);
  const std::string longest(kPaceKeyMax, 'x');
  one.pass(longest + 'y');
  one.pass(longest + 'z');
  one.pass(std::string("a\0b", 3));
  one.keeper.run();
  CHECK(rows.size() == 6);
  CHECK(rows.contains(std::string("account:m:a\0b", 13)));
}

TEST_CASE("shared accounts: limits outlive who tells of them") {
  Rows rows;
  AccountLimits limits(four_a_day());
  FakePaces paces(rows);
  FakeKeeper keeper(paces);
  { SharedAccounts accounts(keeper, limits); }
  limits.count("ann", 1, mono_now());
  CHECK(keeper.jobs() == 0);
}
