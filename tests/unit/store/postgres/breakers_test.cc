// Breakers that nodes share, on one real server.
#include <catch2/catch.hpp>

#include <set>
#include <thread>

#include "qmgr/store/postgres/keeper/pg_breakers.h"
#include "tests/unit/store/postgres/pg_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using std::chrono::minutes;
using std::chrono::seconds;
using test::has_server;
using test::opened;

namespace {

struct Node {
  Node(const test::PostgresDatabase& database, const std::string& name)
      : options(options_of(database, name)),
        store(opened(options)),
        session(options, store->shared()->self()),
        breakers(session) {}

  static PgOptions options_of(const test::PostgresDatabase& database, const std::string& name) {
    PgOptions options = database.options();
    options.alone = false;
    options.node_name = name;
    options.machine = "machine of " + name;
    return options;
  }
  void write(const std::string& key, std::uint32_t opens, Duration hold, bool opens_it) {
    BreakerWrite one{{key, opens, seconds(1), hold, "no route", 0}, opens_it};
    StoreStatus written = breakers.write({&one, 1});
    if (!written) FAIL(written.error().text);
  }
  std::optional<SharedBreaker> state(const std::string& key) {
    auto page = breakers.changes({});
    REQUIRE(page.ok());
    for (SharedBreaker& one : page->changed)
      if (one.key == key) return one;
    return std::nullopt;
  }
  bool begins_trial(const std::string& key, std::int64_t changed) {
    BreakerTable::Wish wish{key, changed};
    auto trials = breakers.begin_trials({&wish, 1});
    if (!trials) FAIL(trials.error().text);
    CHECK(trials->states.size() <= 1);
    return trials->granted == std::vector<std::string>{key};
  }

  PgOptions options;
  std::unique_ptr<PgStore> store;
  PgKeeperSession session;
  PgBreakers breakers;
};

bool is_near(Duration a, Duration b) {
  return a > b - seconds(5) && a <= b;
}

}  // namespace

TEST_CASE("a breaker is written once for all nodes, and the longer hold counts") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Node a(database, "a");
  Node b(database, "b");
  a.write("mx:x", 1, minutes(5), true);
  std::optional<SharedBreaker> first = b.state("mx:x");
  REQUIRE(first);
  CHECK(first->opens == 1);
  CHECK(is_near(first->hold_for, minutes(5)));
  CHECK(first->open_for >= seconds(1));
  CHECK(first->reason == "no route");
  b.write("mx:x", 1, minutes(4), true);
  std::optional<SharedBreaker> second = a.state("mx:x");
  REQUIRE(second);
  CHECK(is_near(second->hold_for, minutes(5)));
  CHECK(second->changed > first->changed);
  b.write("mx:x", 2, minutes(10), false);
  CHECK(a.state("mx:x")->opens == 2);
  CHECK(is_near(a.state("mx:x")->hold_for, minutes(10)));
  // Closed: it is seen, and a further hold opens nothing.
  a.write("mx:x", 0, {}, false);
  CHECK(b.state("mx:x")->opens == 0);
  b.write("mx:x", 3, minutes(10), false);
  CHECK(a.state("mx:x")->opens == 0);
  CHECK(b.store->destinations().breakers({}, 10)->empty());
  b.write("mx:x", 1, minutes(1), true);
  CHECK(a.state("mx:x")->opens == 1);
  CHECK(is_near(a.state("mx:x")->hold_for, minutes(1)));
  // A further hold of what nobody knows.
  b.write("mx:y", 2, minutes(10), false);
  CHECK_FALSE(a.state("mx:y"));
}

// One row of such times ended the reading of all: "bigint out of range", and nothing changed later.
TEST_CASE("times of breakers that nobody can have written hide no other breaker") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Node a(database, "a");
  Node b(database, "b");
  const std::string last = "9223372036854775807, ";
  const std::string first = "-9223372036854775808, ";
  database.run(
      "INSERT INTO destination (key, opens, opened_at, hold_until, reason, changed) VALUES "
      "('mx:a', " +
      last + last + last + "'x', 9223372036854775807), ('mx:b', 1, " + first + first +
      "'x', (extract(epoch FROM now()) * 1000)::int8), ('mx:c', 1, " + last + first +
      "'x', -9223372036854775808)");
  a.write("mx:x", 1, minutes(5), true);
  CHECK(b.state("mx:x"));
  CHECK(b.state("mx:b"));
  CHECK_FALSE(b.state("mx:a"));
  // Who has it from his own attempt makes a breaker of it again.
  a.write("mx:a", 1, minutes(5), true);
  CHECK(b.state("mx:a"));
  a.write("mx:a", 0, {}, false);
  CHECK(b.state("mx:a")->opens == 0);
}

TEST_CASE("changes are read behind the cursor, and some seconds before it once more") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Node a(database, "a");
  a.write("mx:x", 1, minutes(5), true);
  auto all = a.breakers.changes({});
  REQUIRE(all.ok());
  CHECK_FALSE(all->more);
  CHECK(a.breakers.changes(all->next)->changed.size() == 1);
  CHECK(a.breakers.changes({all->changed[0].changed, "mx:x"})->changed.empty());
  database.run("UPDATE destination SET changed = changed - 20000");
  CHECK(a.breakers.changes(all->next)->changed.empty());
  database.run(
      "INSERT INTO destination SELECT convert_to('n' || i, 'UTF8'), 1, 0, 0, '', 1000 + i / 1500 "
      "FROM generate_series(1, 2500) i");
  std::set<std::string> seen;
  BreakerCursor cursor;
  for (bool more = true; more;) {
    auto page = a.breakers.changes(cursor);
    REQUIRE(page.ok());
    for (const SharedBreaker& one : page->changed) CHECK(seen.insert(one.key).second);
    more = page->more;
    cursor = page->next;
  }
  CHECK(seen.size() == 2501);
}

TEST_CASE("one node has the trial of a breaker, until it ends it or its term ends") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Node a(database, "a");
  Node b(database, "b");
  a.write("mx:x", 1, seconds(0), true);
  const std::int64_t changed = a.state("mx:x")->changed;
  CHECK_FALSE(a.begins_trial("mx:x", changed - 1));
  CHECK_FALSE(a.begins_trial("mx:none", changed));
  CHECK(a.begins_trial("mx:x", changed));
  CHECK(a.begins_trial("mx:x", changed));  // an answer may have been lost
  CHECK_FALSE(b.begins_trial("mx:x", changed));
  const std::vector<std::string> key{"mx:x"};
  REQUIRE(b.breakers.end_trials(key).ok());  // not its own
  CHECK_FALSE(b.begins_trial("mx:x", changed));
  REQUIRE(a.breakers.end_trials(key).ok());
  CHECK(b.begins_trial("mx:x", changed));
  CHECK_FALSE(a.begins_trial("mx:x", changed));
  SECTION("another node ends the term") {
    auto fenced = a.store->shared()->fence(b.store->shared()->self().node,
                                           b.store->shared()->self().term, -1);
    REQUIRE(fenced.ok());
    REQUIRE(*fenced);
    CHECK(a.begins_trial("mx:x", changed));
    BreakerWrite one{{"mx:x", 2, {}, minutes(5), "", 0}, false};
    // Its sessions were ended: that is noticed first.
    StoreStatus written = b.breakers.write({&one, 1});
    if (written.error().kind == StoreError::Kind::away) written = b.breakers.write({&one, 1});
    CHECK(written.error().kind == StoreError::Kind::fenced);
  }
  SECTION("it stops") {
    REQUIRE(b.store->shared()->leave().ok());
    CHECK(a.begins_trial("mx:x", changed));
  }
  SECTION("it has begun again") {
    b.store.reset();
    Node again(database, "b");
    CHECK(again.begins_trial("mx:x", changed));
  }
}

TEST_CASE("nodes that ask for the trials of many breakers at once get each of them once") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Node a(database, "a");
  Node b(database, "b");
  std::vector<BreakerWrite> writes;
  for (int i = 0; i < 100; ++i)
    writes.push_back({{"mx:" + std::to_string(i), 1, {}, {}, "", 0}, true});
  REQUIRE(a.breakers.write(writes).ok());
  std::vector<BreakerTable::Wish> wishes;
  auto all = a.breakers.changes({});
  REQUIRE(all.ok());
  for (const SharedBreaker& one : all->changed) wishes.push_back({one.key, one.changed});
  std::vector<BreakerTable::Wish> backwards(wishes.rbegin(), wishes.rend());
  StoreResult<BreakerTable::Trials> theirs{BreakerTable::Trials{}};
  std::thread other([&] { theirs = b.breakers.begin_trials(backwards); });
  auto ours = a.breakers.begin_trials(wishes);
  other.join();
  REQUIRE(ours.ok());
  REQUIRE(theirs.ok());
  CHECK(ours->granted.size() + theirs->granted.size() == 100);
  std::set<std::string> both(ours->granted.begin(), ours->granted.end());
  both.insert(theirs->granted.begin(), theirs->granted.end());
  CHECK(both.size() == 100);
}

TEST_CASE("what was closed long ago is forgotten, and what nobody has tried for a day") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Node a(database, "a");
  for (const char* key : {"closed", "open", "old"}) a.write(key, 1, minutes(5), true);
  a.write("closed", 0, {}, false);
  REQUIRE(a.breakers.forget_old().ok());
  CHECK(database.run("SELECT count(*) FROM destination") == 3);
  database.run("UPDATE destination SET changed = changed - 7200000");
  database.run("UPDATE destination SET changed = changed - 86400000 WHERE key = 'old'");
  REQUIRE(a.breakers.forget_old().ok());
  CHECK(database.run("SELECT count(*) FROM destination") == 1);
  CHECK(a.state("open"));
}

TEST_CASE("the mark of a beat changes with each breaker that is written") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Node a(database, "a");
  auto mark = [&] {
    return database.run("SELECT (SELECT x FROM (" + sql_text(Pg::facts_mark) + ") AS m(s, x))");
  };
  std::set<std::int64_t> marks{mark()};
  a.write("mx:x", 1, minutes(5), true);
  CHECK(marks.insert(mark()).second);
  a.write("mx:x", 2, minutes(5), false);
  CHECK(marks.insert(mark()).second);
  a.write("mx:x", 0, {}, false);
  CHECK(marks.insert(mark()).second);
}
