// Several nodes on one real server: who gets which bags, what becomes of the attempts of a node
// that is gone, and that nobody changes what is another one's.
#include <catch2/catch.hpp>

#include <algorithm>
#include <bit>

#include "qmgr/store/scoped_bags.h"
#include "qmgr/store/writing/batch_writer.h"
#include "tests/unit/qmgr/support.h"
#include "tests/unit/store/postgres/pg_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using Kind = StoreError::Kind;
using test::has_server;
using test::opened;
using test::put;

namespace {

// As qmgr opens its own: beside others.
PgOptions node(const test::PostgresDatabase& database, const std::string& name) {
  PgOptions options = database.options();
  options.alone = false;
  options.node_name = name;
  options.machine = "machine of " + name;
  return options;
}

// The first id from `from` on whose message lies in one of these bags.
std::uint64_t id_in(std::uint64_t bags, std::uint64_t from = 1) {
  while (!mail::QueueId{from}.is_in(bags)) ++from;
  return from;
}

std::uint64_t bit(unsigned bag) {
  return std::uint64_t{1} << bag;
}

StoreStatus name(PgStore& store, std::uint64_t id, std::uint32_t index = 0) {
  (void)store.begin();
  const AttemptFact fact = NameAttempts{{{mail::QueueId{id}, index}}};
  StoreStatus done = store.attempts()->write({&fact, 1});
  if (done) done = store.commit();
  if (!done) store.roll_back();
  return done;
}

StoreStatus remove(PgStore& store, std::uint64_t id) {
  CompactMessages::Whole whole{mail::QueueId{id}, 1};
  (void)store.begin();
  auto removed = store.compact().remove_whole({&whole, 1});
  StoreStatus done = removed ? store.commit() : StoreStatus(removed.error());
  if (!done) store.roll_back();
  return done;
}

// Gives half of the bags to b.
void share_out(PgStore& a, PgStore& b) {
  for (unsigned bag = 0; bag < mail::kBags; bag += 2) {
    auto given = a.shared()->give(static_cast<std::uint8_t>(bag), b.shared()->self().node);
    REQUIRE(given.ok());
    REQUIRE(*given);
    b.shared()->receive(bit(bag));
  }
}

constexpr std::uint64_t kEven = 0x5555555555555555;

}  // namespace

TEST_CASE("the first node has all bags, and the next ones wait until they are given some") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  auto b = opened(node(database, "b"));
  CHECK(a->shared()->own_bags() == mail::kAllBags);
  CHECK(b->shared()->own_bags() == 0);
  CHECK(a->shared()->self().node == 0);
  CHECK(b->shared()->self().node == 1);
  StoreStatus refused = put(*b, 1);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == Kind::refused);
  share_out(*a, *b);
  CHECK(a->shared()->own_bags() == ~kEven);
  CHECK(b->shared()->own_bags() == kEven);
  CHECK(put(*b, id_in(kEven)).ok());
  CHECK(put(*a, id_in(~kEven)).ok());
  CHECK_FALSE(put(*a, id_in(kEven)).ok());
  CHECK(a->compact().page({}, mail::QueueId{INT64_MAX}, 100)->values.size() == 1);
  {
    ScopedBags all(*a, mail::kAllBags);
    CHECK(a->compact().page({}, mail::QueueId{INT64_MAX}, 100)->values.size() == 2);
  }
  CHECK(a->compact().page({}, mail::QueueId{INT64_MAX}, 100)->values.size() == 1);
}

TEST_CASE("a node begins again with its bags, and keeps its number") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  auto b = opened(node(database, "b"));
  share_out(*a, *b);
  b.reset();
  b = opened(node(database, "b"));
  CHECK(b->shared()->self().node == 1);
  CHECK(b->shared()->self().term == 2);
  CHECK(b->shared()->own_bags() == kEven);
  CHECK(a->shared()->own_bags() == ~kEven);
}

TEST_CASE("what is another node's is read by its id, and changed by nobody else") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  auto b = opened(node(database, "b"));
  share_out(*a, *b);
  const std::uint64_t id = id_in(kEven);
  REQUIRE(put(*b, id).ok());
  mail::QueueId one{id};
  CHECK(a->compact().values({&one, 1})->front().has_value());
  REQUIRE(remove(*a, id).ok());
  CHECK(a->compact().values({&one, 1})->front().has_value());
  CHECK(name(*a, id).error().kind == Kind::fenced);
  REQUIRE(remove(*b, id).ok());
  CHECK_FALSE(a->compact().values({&one, 1})->front().has_value());
}

TEST_CASE("attempts are named until their recipients are settled") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  auto named = [&] {
    return database.run("SELECT coalesce(sum(octet_length(named)), 0) FROM attempt");
  };
  for (std::uint64_t id = 1; id <= 3; ++id) {
    REQUIRE(put(*a, id).ok());
    REQUIRE(name(*a, id).ok());
  }
  CHECK(named() == 36);
  REQUIRE(remove(*a, 2).ok());
  CHECK(named() == 24);
  REQUIRE(put(*a, 9).ok());
  CHECK(named() == 24);
  REQUIRE(remove(*a, 1).ok());
  REQUIRE(remove(*a, 3).ok());
  REQUIRE(put(*a, 10).ok());
  CHECK(named() == 0);
  CHECK(database.run("SELECT count(*) FROM attempt") == 1);
}

// Their names stayed, and kept the bag from being given for ever.
TEST_CASE("attempts of a compact message end however its recipients are settled") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  auto settle = [&](std::vector<std::uint32_t> indices, bool in_two) {
    Batch batch;
    for (std::uint32_t index : indices) {
      RecipientChange gone;
      gone.index = index;
      gone.kind = ChangeKind::remove;
      if (batch.settles.empty() || in_two) {
        batch.settles.push_back(std::make_unique<SettleRequest>());
        batch.settles.back()->settlement.id = mail::QueueId{7};
        batch.settles.back()->settlement.is_compact = true;
      }
      batch.settles.back()->settlement.changes.push_back(gone);
    }
    Batch written;
    REQUIRE(BatchWriter(*a, nullptr).write(batch, written).ok());
  };
  struct {
    std::vector<std::vector<std::uint32_t>> rounds;
    bool in_two;
  } rows[] = {{{{0, 1, 2}}, false},
              {{{0, 1, 2}}, true},
              {{{1}, {0, 2}}, true},
              {{{1}, {0}, {2}}, false},
              {{{0, 2}, {1}}, false}};
  for (const auto& row : rows) {
    test::AsCompact as_compact(true);
    Batch batch;
    batch.accepts.push_back(std::make_unique<AcceptRequest>());
    batch.accepts.back()->submission.message =
        test::make_message(7, {"a@x.org", "b@x.org", "c@x.org"});
    Batch written;
    REQUIRE(BatchWriter(*a, nullptr).write(batch, written).ok());
    for (std::uint32_t index = 0; index < 3; ++index) REQUIRE(name(*a, 7, index).ok());
    for (const auto& round : row.rounds) settle(round, row.in_two);
    CHECK(database.run("SELECT count(*) FROM fresh WHERE bag >= 0") == 0);
    CHECK(database.run("SELECT coalesce(sum(octet_length(named)), 0) FROM attempt") == 0);
    CHECK_FALSE(a->session().names().any_in(mail::kAllBags));
  }
}

TEST_CASE("a dead node's bags come with the names of what it may have delivered") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  auto b = opened(node(database, "b"));
  share_out(*a, *b);
  const std::uint64_t lent = id_in(kEven);
  const std::uint64_t waits = id_in(kEven, lent + 1);
  REQUIRE(put(*b, lent).ok());
  REQUIRE(put(*b, waits).ok());
  REQUIRE(name(*b, lent).ok());
  SharedQueue& shared = *a->shared();
  const SharedQueue::Self dead = b->shared()->self();
  // It lives: with another beat or term nothing happens, and nothing can be adopted.
  CHECK_FALSE(*shared.fence(dead.node, dead.term, 5));
  CHECK_FALSE(*shared.fence(dead.node, dead.term + 1, 0));
  CHECK_FALSE(shared.adopt(SharedQueue::Dead{dead.node, dead.term}, kEven)->done);
  REQUIRE(put(*b, id_in(kEven, waits + 1)).ok());

  REQUIRE(*shared.fence(dead.node, dead.term, 0));
  CHECK_FALSE(*shared.fence(dead.node, dead.term, 0));  // once
  // What it still wants to write fails.
  CHECK(remove(*b, waits).error().kind == Kind::fenced);
  // In two parts, as two survivors would.
  const std::uint64_t first = bit(mail::QueueId{lent}.bag());
  auto some = shared.adopt(SharedQueue::Dead{dead.node, dead.term + 1}, first);
  REQUIRE(some.ok());
  REQUIRE(some->done);
  CHECK(some->names == std::vector<AttemptName>{{mail::QueueId{lent}, 0}});
  auto rest = shared.adopt(SharedQueue::Dead{dead.node, dead.term + 1}, kEven & ~first);
  REQUIRE(rest.ok());
  CHECK(rest->done);
  CHECK(rest->names.empty());
  CHECK(shared.own_bags() == mail::kAllBags);
  // The names are ours now, and the dead node has none.
  CHECK(database.run("SELECT count(*) FROM attempt WHERE node = 1") == 0);
  CHECK(database.run("SELECT sum(octet_length(named)) FROM attempt WHERE node = 0") == 12);
  REQUIRE(remove(*a, lent).ok());
  REQUIRE(remove(*a, waits).ok());
  CHECK(database.run("SELECT coalesce(sum(octet_length(named)), 0) FROM attempt") == 0);
  // Its next life has no bags.
  auto again = opened(node(database, "b"));
  CHECK(again->shared()->own_bags() == 0);
  CHECK(again->shared()->inherited().empty());
}

TEST_CASE("who adopts and dies leaves to the next one what both may have delivered") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  auto b = opened(node(database, "b"));
  share_out(*a, *b);
  const std::uint64_t of_b = id_in(kEven);
  REQUIRE(put(*b, of_b).ok());
  REQUIRE(name(*b, of_b).ok());
  REQUIRE(*a->shared()->fence(1, 1, 0));
  REQUIRE(a->shared()->adopt(SharedQueue::Dead{1, 2}, kEven)->done);
  const std::uint64_t of_a = id_in(~kEven);
  REQUIRE(put(*a, of_a).ok());
  REQUIRE(name(*a, of_a).ok());
  auto c = opened(node(database, "c"));
  REQUIRE(*c->shared()->fence(0, 1, 0));
  auto adopted = c->shared()->adopt(SharedQueue::Dead{0, 2}, mail::kAllBags);
  REQUIRE(adopted->done);
  auto has = [&](std::uint64_t id) {
    return std::count(adopted->names.begin(), adopted->names.end(),
                      AttemptName{mail::QueueId{id}, 0});
  };
  CHECK(adopted->names.size() == 2);
  CHECK(has(of_a) == 1);
  CHECK(has(of_b) == 1);
}

TEST_CASE("a node that begins again finds what its former lives had lent") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  {
    auto a = opened(node(database, "a"));
    REQUIRE(put(*a, 1).ok());
    REQUIRE(put(*a, 2).ok());
    REQUIRE(name(*a, 1).ok());
  }
  // Twice, since it may end before anything of that was settled.
  for (int life = 0; life < 2; ++life) {
    auto a = opened(node(database, "a"));
    CHECK(a->shared()->inherited() == std::vector<AttemptName>{{mail::QueueId{1}, 0}});
    if (life == 1) REQUIRE(remove(*a, 1).ok());
  }
  CHECK(opened(node(database, "a"))->shared()->inherited().empty());
}

// The end of its term is a term, too, in which it had lent nothing.
TEST_CASE("a node that was fenced and gets its bags back finds what it had lent") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  auto b = opened(node(database, "b"));
  share_out(*a, *b);
  const std::uint64_t lent = id_in(kEven);
  REQUIRE(put(*b, lent).ok());
  REQUIRE(name(*b, lent).ok());
  REQUIRE(*a->shared()->fence(1, 1, 0));
  b = opened(node(database, "b"));
  CHECK(b->shared()->own_bags() == kEven);
  CHECK(b->shared()->inherited() == std::vector<AttemptName>{{mail::QueueId{lent}, 0}});
}

TEST_CASE("names of recipients that are gone end when that is said") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  REQUIRE(put(*a, 1).ok());
  REQUIRE(name(*a, 1).ok());
  const AttemptFact ended = EndAttempts{{{mail::QueueId{1}, 0}}};
  REQUIRE(a->begin().ok());
  REQUIRE(a->attempts()->write({&ended, 1}).ok());
  REQUIRE(a->commit().ok());
  CHECK(database.run("SELECT coalesce(sum(octet_length(named)), 0) FROM attempt") == 0);
}

TEST_CASE("a new message is named by the batch that stores it, and by none that does not") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  auto batch_with = [](std::uint64_t id) {
    Batch batch;
    auto request = std::make_unique<AcceptRequest>();
    request->submission.message = test::make_message(id, {"a@example.org", "b@example.org"});
    request->submission.message.is_compact = true;
    request->named = {{mail::QueueId{id}, 0}, {mail::QueueId{id}, 1}};
    batch.accepts.push_back(std::move(request));
    return batch;
  };
  BatchWriter writer(*a, nullptr);
  Batch written;
  Batch first = batch_with(1);
  REQUIRE(writer.write(first, written).ok());
  CHECK(database.run("SELECT octet_length(named) FROM attempt WHERE octet_length(named) > 0") ==
        24);
  // The same once more is stored already: nothing is to be lent.
  Batch again = batch_with(1);
  REQUIRE(writer.write(again, written).ok());
  CHECK(written.accepts.back()->end == AcceptEnd::duplicate);
  CHECK(a->session().names().size() == 2);
  {
    Batch lost = batch_with(2);
    REQUIRE(a->begin().ok());
    REQUIRE(writer.apply(lost).ok());
    a->roll_back();
  }
  CHECK(a->session().names().size() == 2);
  REQUIRE(remove(*a, 3).ok());
  CHECK(database.run("SELECT coalesce(sum(octet_length(named)), 0) FROM attempt") == 24);
}

TEST_CASE("who was tried again beside one that lasts is named once, and not when he has ended") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  REQUIRE(put(*a, 1).ok());
  REQUIRE(put(*a, 2).ok());
  auto tried = [&] {
    (void)a->begin();
    const AttemptFact both = NameAttempts{{{mail::QueueId{1}, 0}, {mail::QueueId{2}, 0}}};
    REQUIRE(a->attempts()->write({&both, 1}).ok());
    REQUIRE(a->commit().ok());
    (void)a->begin();
    const AttemptFact one = EndAttempts{{{mail::QueueId{1}, 0}}};
    REQUIRE(a->attempts()->write({&one, 1}).ok());
    REQUIRE(a->commit().ok());
  };
  for (int i = 0; i < 40; ++i) tried();  // the first lasts on from each of them
  CHECK(database.run("SELECT count(*) FROM attempt WHERE octet_length(named) > 0") <=
        kCarriedAfter + 1);
  for (int i = 0; i < 2 * kCarriedAfter; ++i) REQUIRE(name(*a, 3).ok());
  CHECK(database.run("SELECT count(*) FROM attempt WHERE "
                     "position('\\x0000000000000001'::bytea in named) > 0") == 0);
  auto again = opened(node(database, "a"));
  CHECK(again->shared()->inherited() ==
        std::vector<AttemptName>{{mail::QueueId{2}, 0}, {mail::QueueId{3}, 0}});
}

TEST_CASE("an operator ends a term whatever its beat, and a bag is given without names") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  auto b = opened(node(database, "b"));
  REQUIRE(put(*a, 1).ok());
  REQUIRE(name(*a, 1).ok());
  REQUIRE(*a->shared()->give(mail::QueueId{1}.bag(), 1));
  CHECK(database.run("SELECT coalesce(sum(octet_length(named)), 0) FROM attempt") == 0);
  database.run("UPDATE node SET beat = 77");
  CHECK_FALSE(*a->shared()->fence(1, 1, 76));
  CHECK_FALSE(*a->shared()->fence(1, 2, -1));
  CHECK(*a->shared()->fence(1, 1, -1));
}

TEST_CASE("a node that leaves is gone at once, and writes nothing any more") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  auto b = opened(node(database, "b"));
  share_out(*a, *b);
  REQUIRE(b->shared()->leave().ok());
  CHECK(database.run("SELECT state FROM node WHERE id = 1") == 0);
  REQUIRE(a->shared()->adopt(SharedQueue::Dead{1, 1}, kEven)->done);
  CHECK_FALSE(put(*b, id_in(kEven)).ok());
}

TEST_CASE("operators send nodes away, take them back and forget them") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  auto b = opened(node(database, "b"));
  SharedQueue& shared = *a->shared();
  CHECK(*shared.set_stay("b", false));
  CHECK(database.run("SELECT state FROM node WHERE id = 1") == 2);
  CHECK_FALSE(*shared.give(0, 1));  // it takes none
  b.reset();
  b = opened(node(database, "b"));  // and remembers that
  CHECK(database.run("SELECT state FROM node WHERE id = 1") == 2);
  CHECK(*shared.set_stay("b", true));
  CHECK(*shared.give(0, 1));
  CHECK_FALSE(*shared.set_stay("nobody", true));
  CHECK_FALSE(*shared.forget("b"));  // it lives
  REQUIRE(b->shared()->leave().ok());
  CHECK_FALSE(*shared.forget("b"));  // it has a bag
  REQUIRE(shared.adopt(SharedQueue::Dead{1, 2}, bit(0))->done);
  CHECK(*shared.forget("b"));
  CHECK(database.run("SELECT count(*) FROM node") == 1);
  CHECK(opened(node(database, "c"))->shared()->self().node == 1);
}

TEST_CASE("who wants all of the queue waits for the silence of others, and ends their terms") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  REQUIRE(put(*a, 1).ok());
  PgOptions alone = node(database, "b");
  alone.alone = true;
  alone.silence = std::chrono::milliseconds(20);
  auto b = opened(alone);
  CHECK(b->shared()->own_bags() == mail::kAllBags);
  CHECK(put(*a, 2).error().kind == Kind::fenced);
  CHECK(put(*b, 2).ok());
}

TEST_CASE("thirty-two nodes have numbers, and the next one is told why it has none") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  database.run(
      "INSERT INTO node (id, name, machine, term, state) SELECT i, ('n' || i)::bytea, 'm', 1, 1 "
      "FROM generate_series(1, 31) i");
  auto more = PgStore::open(node(database, "one too many"));
  REQUIRE_FALSE(more.ok());
  CHECK(more.error().kind == Kind::busy);
  CHECK(more.error().text.find("32") != std::string::npos);
}

// A node that has not heard of it ends what was known to it; one whose clock is behind ends nothing
// that the database knows to be over.
TEST_CASE("a suspension that another node has extended is not removed by the one that ends it") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto a = opened(node(database, "a"));
  auto b = opened(node(database, "b"));
  auto write = [](PgStore& store, const DestinationFact& fact) {
    REQUIRE(store.begin().ok());
    REQUIRE(store.destinations().write({&fact, 1}).ok());
    REQUIRE(store.commit().ok());
  };
  auto count = [&database] { return database.run("SELECT count(*) FROM suspension"); };
  const WallTime until = wall_now() + std::chrono::hours(1);
  const WallTime extended = until + std::chrono::hours(1);
  write(*a, Suspension{"mx:a.test", wall_now(), until, "ann", "works"});
  write(*b, Suspension{"mx:a.test", wall_now(), extended, "ben", "more works"});
  write(*a, EndSuspension{"mx:a.test", until});
  CHECK(count() == 1);
  write(*a, EndSuspension{"mx:a.test", extended});
  CHECK(count() == 0);
  write(*b, Suspension{"mx:b.test", test::at(0), WallTime::max(), "ben", ""});
  write(*a, EndSuspension{"mx:b.test", until});
  CHECK(count() == 1);
  database.run("UPDATE suspension SET until = 1000");
  write(*a, EndSuspension{"mx:b.test", from_unix_ms(1)});
  CHECK(count() == 0);
}
