// Rates over all nodes on a real server: one sequence for all, and what no row can do to it.
#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "qmgr/cluster/pace.h"
#include "qmgr/store/postgres/keeper/pg_paces.h"
#include "tests/unit/store/postgres/pg_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using Kind = StoreError::Kind;
using test::has_server;
using test::opened;

namespace {

PgOptions pacing_node(const test::PostgresDatabase& database, const std::string& name) {
  PgOptions options = database.options();
  options.alone = false;
  options.node_name = name;
  options.machine = "machine of " + name;
  return options;
}

// A node with its keeper's paces.
struct Pacer {
  Pacer(const test::PostgresDatabase& database, const std::string& name)
      : store(opened(pacing_node(database, name))),
        session(pacing_node(database, name), store->shared()->self()),
        paces(session) {}
  Duration one(const std::string& key, Duration burst, Duration span, Duration most = 1h) {
    PaceTable::Wish wish{key, burst, span, most};
    auto got = paces.take({&wish, 1});
    if (!got) FAIL(got.error().text);
    return got->front();
  }
  std::unique_ptr<PgStore> store;
  PgKeeperSession session;
  PgPaces paces;
};

// The test's machine may stand still for a moment between two calls.
constexpr Duration kSlack = 20s;
bool is_near(Duration got, Duration expected) {
  return got <= expected && got > expected - kSlack;
}

constexpr const char* kNow = "(extract(epoch FROM clock_timestamp()) * 1000)::int8";

}  // namespace

TEST_CASE("paces: two nodes move one sequence on") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Pacer a(database, "a");
  Pacer b(database, "b");
  CHECK(a.one("x", 0s, 10min) == 0s);
  CHECK(is_near(b.one("x", 0s, 10min), 10min));
  CHECK(is_near(a.one("x", 0s, 10min), 20min));
  CHECK(is_near(b.one("x", 5min, 0s), 30min));  // who only looks moves nothing
  CHECK(is_near(a.one("x", 0s, 0s), 30min));
  CHECK(b.one("y", 0s, 10min) == 0s);
  // Unused time is free afterwards, as much of it as the burst.
  CHECK(a.one("z", 1min, 10s) == -1min);
  CHECK(is_near(a.one("z", 1min, 10s), -50s));
}

TEST_CASE("paces: what is given back is free again, and no more than that") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Pacer a(database, "a");
  a.one("x", 0s, 50min);
  CHECK(is_near(a.one("x", 0s, -10min), 50min));
  CHECK(is_near(a.one("x", 0s, -30min), 40min));
  CHECK(is_near(a.one("x", 0s, -24h), 10min));
  CHECK(a.one("x", 0s, 1min) == 0s);
  a.one("y", 2min, -24h);
  CHECK(a.one("y", 2min, 0s) == -2min);
}

TEST_CASE("paces: no row keeps anybody waiting for longer than there can be reason to") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Pacer a(database, "a");
  const std::int64_t absurd[] = {INT64_MAX, INT64_MIN, 0};
  for (std::int64_t number : absurd) {
    database.run("DELETE FROM pace");
    database.run("INSERT INTO pace VALUES ('x', " + std::to_string(number + (number < 0 ? 1 : 0)) +
                 ")");
    const Duration got = a.one("x", 1min, 10min, 30min);
    CHECK(got == (number > 0 ? Duration(30min) : Duration(-1min)));
    CHECK(is_near(a.one("x", 1min, 0s, 2h), number > 0 ? Duration(40min) : Duration(9min)));
  }
  // Nor does a wish of absurd numbers reach the sums.
  CHECK(a.one("y", Duration::max(), Duration::max(), Duration::max()) <= 0s);
  CHECK(a.one("y", 0s, Duration::min(), Duration::max()) == 0s);
  CHECK(a.one("z", 0s, Duration::max(), Duration::max()) == 0s);
  CHECK(a.one("z", 0s, 0s, Duration::max()) > 24h * 30);
  CHECK(a.one("y", Duration::min(), 0s, Duration::min()) == 0s);
}

TEST_CASE("paces: many keys at a time, in any order, of any octets") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Pacer a(database, "a");
  std::vector<PaceTable::Wish> wishes;
  for (unsigned i = 0; i < kPaceWishesMax; ++i)
    wishes.push_back({std::string("k\0", 2) + static_cast<char>(255 - i), 0s, 1min * (i + 1), 24h});
  wishes[3].key = std::string(kPaceKeyMax, '\0');
  wishes[4].key = std::string(kPaceKeyMax, '\xff');
  wishes[5].key = "'; DROP TABLE pace; --\\";
  REQUIRE(a.paces.take(wishes).ok());
  auto got = a.paces.take(wishes);
  REQUIRE(got.ok());
  REQUIRE(got->size() == kPaceWishesMax);
  for (unsigned i = 0; i < kPaceWishesMax; ++i) CHECK(is_near((*got)[i], 1min * (i + 1)));
  CHECK(database.run("SELECT count(*) FROM pace") == kPaceWishesMax);
  CHECK(a.paces.take({})->empty());
}

TEST_CASE("paces: several nodes at once, with the same keys in other orders") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  constexpr unsigned kPacers = 3;
  constexpr unsigned kCalls = 40;
  std::vector<std::unique_ptr<Pacer>> nodes;
  for (unsigned i = 0; i < kPacers; ++i)
    nodes.push_back(std::make_unique<Pacer>(database, std::string(1, static_cast<char>('a' + i))));
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (unsigned n = 0; n < kPacers; ++n)
    threads.emplace_back([&, n] {
      for (unsigned i = 0; i < kCalls; ++i) {
        std::vector<PaceTable::Wish> wishes;
        for (unsigned k = 0; k < 5; ++k)
          wishes.push_back(
              {std::string(1, static_cast<char>('a' + (k + n + i) % 5)), 0s, 1h, 24h * 30});
        if (!nodes[n]->paces.take(wishes).ok()) ++failures;
      }
    });
  for (std::thread& one : threads) one.join();
  CHECK(failures == 0);
  for (char key = 'a'; key < 'f'; ++key)
    CHECK(is_near(nodes[0]->one(std::string(1, key), 0s, 0s, 24h * 30), 1h * kPacers * kCalls));
}

// Two nodes that lock the same rows in other orders would wait for each other until the server ends
// one of them; it is asked again, so the test above shows nothing of that.
TEST_CASE("paces: rows are locked in the order of their keys") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Pacer node(database, "a");
  for (const char* key : {"a", "b", "c"}) (void)node.one(key, 0s, 1s);
  auto holder = PgConnection::open({test::PostgresServer::get()->conninfo(database.name()),
                                    {},
                                    "holder",
                                    std::chrono::seconds(5),
                                    std::chrono::seconds(30)});
  REQUIRE(holder.ok());
  REQUIRE((*holder)->run_script("BEGIN; SELECT 1 FROM pace WHERE key = 'b' FOR UPDATE").ok());
  const std::vector<PaceTable::Wish> wishes = {
      {"c", 0s, 1s, 1h}, {"b", 0s, 1s, 1h}, {"a", 0s, 1s, 1h}};
  std::atomic<bool> taken = false;
  std::thread taker([&] { taken = node.paces.take(wishes).ok(); });
  const std::string waiting =
      "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
  for (int i = 0; i < 500 && database.run(waiting) == 0; ++i) std::this_thread::sleep_for(10ms);
  auto is_free = [&](const std::string& key) {
    return database.run("SELECT count(*) FROM (SELECT 1 FROM pace WHERE key = '" + key +
                        "' FOR UPDATE SKIP LOCKED) f") == 1;
  };
  const bool a_is_free = is_free("a");
  const bool c_is_free = is_free("c");
  CHECK((*holder)->run_script("COMMIT").ok());
  taker.join();
  CHECK_FALSE(a_is_free);
  CHECK(c_is_free);
  CHECK(taken);
}

TEST_CASE("paces: nothing is taken by a node whose term was ended, and rows stay without it") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Pacer a(database, "a");
  Pacer b(database, "b");
  CHECK(b.one("x", 0s, 10min) == 0s);
  REQUIRE(*a.store->shared()->fence(1, 1, 0));
  PaceTable::Wish late{"x", 0s, 10min, 1h};
  auto refused = b.paces.take({&late, 1});
  REQUIRE_FALSE(refused.ok());
  for (int i = 0; i < 50 && !refused && refused.error().kind == Kind::away; ++i) {
    std::this_thread::sleep_for(20ms);  // its session was ended as well, and is made anew
    refused = b.paces.take({&late, 1});
  }
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == Kind::fenced);
  CHECK(is_near(a.one("x", 0s, 0s), 10min));
}

TEST_CASE("paces: rows that say nothing any more are removed, page by page") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Pacer a(database, "a");
  const std::string now = kNow;
  database.run("INSERT INTO pace SELECT ('old' || i)::bytea, " + now +
               " - 90000000 FROM generate_series(1, 450) i");
  database.run("INSERT INTO pace SELECT ('use' || i)::bytea, " + now +
               " - 3600000 FROM generate_series(1, 1200) i");
  database.run("INSERT INTO pace VALUES ('a', 9223372036854775807), ('z', 0), ('b', " + now +
               " + 2592000000)");
  for (int i = 0; i < 8; ++i) REQUIRE(a.paces.sweep().ok());
  CHECK(database.run("SELECT count(*) FROM pace") == 1201);
  CHECK(database.run("SELECT count(*) FROM pace WHERE key = 'b' OR key LIKE 'use%'") == 1201);
}
