// Claims of places on a real server: what they get, and what becomes of them when a node ends.
#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <thread>

#include "qmgr/store/postgres/keeper/pg_claims.h"
#include "qmgr/store/postgres/pg_beats.h"
#include "tests/unit/store/postgres/pg_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using Wish = ClaimTable::Wish;
using Kind = StoreError::Kind;
using cluster::Claim;
using test::has_server;
using test::opened;

namespace {

PgOptions claiming_node(const test::PostgresDatabase& database, const std::string& name) {
  PgOptions options = database.options();
  options.alone = false;
  options.node_name = name;
  options.machine = "machine of " + name;
  return options;
}

// A node with its keeper's claims.
struct Claimer {
  Claimer(const test::PostgresDatabase& database, const std::string& name)
      : store(opened(claiming_node(database, name))),
        session(claiming_node(database, name), store->shared()->self()),
        claims(session) {}
  Claim one(const std::string& key, std::uint32_t limit, std::uint32_t wanted,
            std::uint32_t keep = 0, std::uint32_t kept_free = 0) {
    Wish wish{key, limit, wanted, keep, kept_free};
    auto got = claims.claim({&wish, 1});
    if (!got) FAIL(got.error().text);
    return got->front();
  }
  std::unique_ptr<PgStore> store;
  PgKeeperSession session;
  PgClaims claims;
};

}  // namespace

TEST_CASE("claims: what is given never exceeds the limit") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Claimer a(database, "a");
  Claimer b(database, "b");
  CHECK(a.one("x", 20, 15, 0, 2) == Claim{15, 2});
  CHECK(b.one("x", 20, 15, 0, 2) == Claim{3, 2});
  CHECK(b.one("y", 20, 15, 0, 2) == Claim{15, 2});
  CHECK(a.one("x", 20, 5, 5, 2) == Claim{5, 2});
  CHECK(b.one("x", 20, 15, 3, 2) == Claim{13, 2});
  // What a node keeps is not taken away from it.
  CHECK(a.one("x", 20, 5, 5, 3) == Claim{5, 2});
  CHECK(a.one("x", 20, 9, 7, 3) == Claim{7, 0});
  // Everything is a claim, and one place: as a breaker's trial.
  CHECK(a.one("trial:z", 1, 1) == Claim{1, 0});
  CHECK(a.one("trial:z", 1, 1) == Claim{1, 0});
  CHECK(b.one("trial:z", 1, 1) == Claim{0, 0});
  CHECK(a.one("trial:z", 1, 0) == Claim{0, 0});
  CHECK(b.one("trial:z", 1, 1) == Claim{1, 0});
  CHECK(a.one("huge", UINT32_MAX, UINT32_MAX).places == INT32_MAX);
}

TEST_CASE("claims: many keys at a time, in any order, and nothing is left of what is given back") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Claimer a(database, "a");
  Claimer b(database, "b");
  std::vector<Wish> wishes;
  for (unsigned i = 0; i < kWishesMax; ++i)
    wishes.push_back({"place:" + std::string(1, static_cast<char>(255 - i)), 10, i % 7, 0, 1});
  auto got = a.claims.claim(wishes);
  REQUIRE(got.ok());
  for (unsigned i = 0; i < kWishesMax; ++i) CHECK((*got)[i] == Claim{i % 7, 1});
  auto owned = a.claims.owned("place:");
  REQUIRE(owned.ok());
  CHECK(owned->size() == kWishesMax - (kWishesMax + 6) / 7);
  CHECK(a.claims.owned("trial:")->empty());
  CHECK(b.claims.owned("")->empty());
  CHECK(a.claims.claim({})->empty());
  for (Wish& one : wishes) one.wanted = 0;
  REQUIRE(a.claims.claim(wishes).ok());
  CHECK(database.run("SELECT count(*) FROM claim") == 0);
  CHECK(a.one("trial:a", 1, 1).places == 1);
  CHECK(a.one("place:a", 1, 1).places == 1);
  REQUIRE(a.claims.drop("trial:").ok());
  CHECK(b.one("trial:a", 1, 1).places == 1);
  CHECK(b.one("place:a", 1, 1).places == 0);
  CHECK(database.run("SELECT count(*) FROM claim") == 4);
  REQUIRE(a.claims.drop("").ok());
  REQUIRE(a.claims.sweep().ok());
  CHECK(database.run("SELECT count(*) FROM claim") == 2);  // the trial and its key
}

TEST_CASE("claims: as the arithmetic says, by several at the same time") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  constexpr unsigned kClaimers = 3;
  std::vector<std::unique_ptr<Claimer>> nodes;
  for (unsigned i = 0; i < kClaimers; ++i)
    nodes.push_back(
        std::make_unique<Claimer>(database, std::string(1, static_cast<char>('a' + i))));
  SECTION("one after the other") {
    std::uint64_t seed = 3;
    auto random = [&](std::uint32_t below) {
      seed = seed * 6364136223846793005U + 1442695040888963407U;
      return static_cast<std::uint32_t>((seed >> 33U) % below);
    };
    std::map<std::string, std::array<Claim, kClaimers>> expected;
    for (int i = 0; i < 400; ++i) {
      const unsigned n = random(kClaimers);
      Wish wish{std::string(1, static_cast<char>('k' + random(2))), random(9), random(9), 0,
                random(4)};
      auto& row = expected[wish.key];
      wish.keep = random(4) == 0 ? random(9) : 0;
      std::uint64_t others = 0;
      for (unsigned o = 0; o < kClaimers; ++o)
        if (o != n) others += row.at(o).places;
      Claim want =
          cluster::regrant(row.at(n), wish.keep, wish.wanted, wish.limit, wish.kept_free, others);
      auto got = nodes[n]->claims.claim({&wish, 1});
      REQUIRE(got.ok());
      REQUIRE(got->front() == want);
      row.at(n) = want.places == 0 ? Claim{} : want;
    }
  }
  SECTION("at once, with the same keys in other orders") {
    std::vector<std::thread> threads;
    std::atomic<int> failures = 0;
    for (unsigned n = 0; n < kClaimers; ++n)
      threads.emplace_back([&, n] {
        for (unsigned i = 0; i < 60; ++i) {
          std::vector<Wish> wishes;
          for (unsigned k = 0; k < 5; ++k)
            wishes.push_back(
                {std::string(1, static_cast<char>('a' + (k + n + i) % 5)), 4, (i + k) % 5, 0, 0});
          if (!nodes[n]->claims.claim(wishes).ok()) ++failures;
          if (database.run("SELECT count(*) FROM (SELECT key FROM claim GROUP BY key "
                           "HAVING sum(places) > 4) x") != 0)
            ++failures;
        }
      });
    for (std::thread& one : threads) one.join();
    CHECK(failures == 0);
  }
}

TEST_CASE("claims: go with the term of their node, and stay over a new start") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Claimer a(database, "a");
  auto b = std::make_unique<Claimer>(database, "b");
  CHECK(b->one("place:x", 3, 3).places == 3);
  CHECK(b->one("trial:x", 1, 1).places == 1);
  CHECK(a.one("place:x", 3, 3).places == 0);
  SECTION("another node ends it") {
    CHECK_FALSE(*a.store->shared()->fence(1, 1, 7));
    CHECK(database.run("SELECT count(*) FROM claim WHERE node = 1") == 2);
    REQUIRE(*a.store->shared()->fence(1, 1, 0));
    CHECK(a.one("place:x", 3, 3).places == 3);
    Wish late{"place:x", 3, 1, 0, 0};
    auto refused = b->claims.claim({&late, 1});
    REQUIRE_FALSE(refused.ok());
    // Its session was ended as well, and is made anew.
    for (int i = 0; i < 50 && !refused && refused.error().kind == Kind::away; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      refused = b->claims.claim({&late, 1});
    }
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().kind == Kind::fenced);
    CHECK(database.run("SELECT count(*) FROM claim WHERE node = 1") == 0);
  }
  SECTION("a program that knows nothing of claims ends it") {
    database.run("UPDATE node SET term = term + 1, state = 0 WHERE id = 1");
    CHECK(a.one("place:x", 3, 3).places == 0);
    REQUIRE(a.claims.sweep().ok());
    CHECK(a.one("place:x", 3, 3).places == 3);
  }
  SECTION("it leaves") {
    REQUIRE(b->store->shared()->leave().ok());
    CHECK(a.one("place:x", 3, 3).places == 3);
  }
  SECTION("it begins anew, and delivery clients still have its connections") {
    b.reset();
    b = std::make_unique<Claimer>(database, "b");
    auto owned = b->claims.owned("place:");
    REQUIRE(owned.ok());
    REQUIRE(owned->size() == 1);
    CHECK(owned->front().key == "place:x");
    CHECK(owned->front().claim == Claim{3, 0});
    CHECK(b->claims.owned("trial:")->empty());
    CHECK(a.one("trial:x", 1, 1).places == 1);
  }
  SECTION("somebody takes all of the queue") {
    PgOptions alone = claiming_node(database, "c");
    alone.alone = true;
    alone.silence = std::chrono::milliseconds(20);
    auto c = opened(alone);
    CHECK(database.run("SELECT count(*) FROM claim WHERE node >= 0") == 0);
  }
}

TEST_CASE("claims: what a node says of places in its row is read by all, and begins anew") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  net::Loop loop;
  auto b = std::make_unique<Claimer>(database, "b");
  auto beat = [&](std::int64_t number, const std::string& wants) {
    PgBeats beats(loop, claiming_node(database, "b"), b->store->shared()->self());
    BeatOrder order;
    order.seen = number;
    order.wants = wants;
    BeatAnswer got;
    beats.send(std::move(order), [&](BeatAnswer answer) {
      got = std::move(answer);
      loop.stop();
    });
    loop.run();
    CHECK(got.error.empty());
    return got;
  };
  const std::string wants("\0\xff some", 7);
  BeatAnswer first = beat(INT64_MAX, wants);
  REQUIRE(first.nodes.size() == 1);
  CHECK(first.nodes[0].seen == INT64_MAX);
  CHECK(first.nodes[0].wants == wants);
  b.reset();
  b = std::make_unique<Claimer>(database, "b");
  CHECK(database.run("SELECT count(*) FROM node WHERE seen = 0 AND wants = ''") == 1);
}
