// What nodes ask each other, on one real server.
#include <catch2/catch.hpp>

#include <algorithm>

#include "qmgr/store/postgres/keeper/pg_requests.h"
#include "qmgr/store/postgres/pg_beats.h"
#include "tests/unit/store/postgres/pg_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using test::has_server;
using test::opened;

namespace {

// A node with its keeper, but without the keeper's thread.
struct Keeping {
  Keeping(const test::PostgresDatabase& database, const std::string& name)
      : options(database.options()) {
    options.alone = false;
    options.node_name = name;
    options.machine = "machine of " + name;
    store = opened(options);
    self = store->shared()->self();
    session = std::make_unique<PgKeeperSession>(options, self);
    requests = std::make_unique<PgRequests>(*session);
  }
  RequestMarks marks() const {
    net::Loop loop;
    PgBeats beats(loop, options, self);
    BeatAnswer answer;
    beats.send({}, [&](BeatAnswer got) {
      answer = std::move(got);
      loop.stop();
    });
    loop.run();
    CHECK(answer.error.empty());
    return answer.requests;
  }
  NodeRequest to(const Keeping& other, std::int64_t number, std::string data = "x") const {
    return {other.self.node, self.node, number, 1, std::chrono::seconds(10), std::move(data)};
  }

  PgOptions options;
  std::unique_ptr<PgStore> store;
  SharedQueue::Self self;
  std::unique_ptr<PgKeeperSession> session;
  std::unique_ptr<PgRequests> requests;
};

// Of every octet, in no order.
std::string octets(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 7 + i / 251);
  return out;
}

std::int64_t rows_of(const test::PostgresDatabase& database, const std::string& table) {
  auto connection = PgConnection::open(
      {database.options().conninfo, {}, "look", std::chrono::seconds(5), std::chrono::seconds(5)});
  REQUIRE(connection.ok());
  auto rows = (*connection)->run_script("SELECT count(*) FROM " + table);
  REQUIRE(rows.ok());
  return *rows;
}

}  // namespace

TEST_CASE("requests and answers reach the node they are for, whole and once") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Keeping a(database, "a");
  Keeping b(database, "b");
  CHECK_FALSE(b.marks().requests);
  const std::string asked = octets(kRequestMax);
  REQUIRE(*a.requests->ask(a.to(b, 7, asked)));
  CHECK(b.marks().requests);
  CHECK_FALSE(b.marks().answers);
  CHECK_FALSE(a.marks().requests);
  CHECK(a.requests->take_requests(kRequestsAtOnce)->empty());

  auto taken = b.requests->take_requests(kRequestsAtOnce);
  REQUIRE(taken.ok());
  REQUIRE(taken->size() == 1);
  CHECK(taken->front().from == a.self.node);
  CHECK(taken->front().number == 7);
  CHECK(taken->front().kind == 1);
  CHECK(taken->front().within > std::chrono::seconds(5));
  CHECK(taken->front().within <= std::chrono::seconds(10));
  CHECK(taken->front().data == asked);
  CHECK(b.requests->take_requests(kRequestsAtOnce)->empty());

  for (std::size_t size :
       {std::size_t{0}, std::size_t{1}, kAnswerPiece, kAnswerPiece + 1, kAnswerMax}) {
    CAPTURE(size);
    REQUIRE(b.requests->answer({a.self.node, 7, 0, octets(size)}).ok());
    CHECK(a.marks().answers);
    auto answers = a.requests->take_answers();
    REQUIRE(answers.ok());
    REQUIRE(answers->size() == 1);
    CHECK(answers->front().number == 7);
    CHECK(answers->front().code == 0);
    CHECK(answers->front().data == octets(size));
  }
  REQUIRE(b.requests->answer({a.self.node, 8, 75, "not now"}).ok());
  auto refused = a.requests->take_answers();
  REQUIRE(refused->size() == 1);
  CHECK(refused->front().code == 75);
  CHECK(refused->front().data == "not now");
  CHECK_FALSE(a.marks().answers);
}

TEST_CASE("requests have bounds in number and in time") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Keeping a(database, "a");
  Keeping b(database, "b");
  SECTION("so many are taken at once, and so many lie there") {
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(kRequestsPerNode); ++i)
      REQUIRE(*a.requests->ask(a.to(b, i)));
    auto refused = a.requests->ask(a.to(b, 5000));
    REQUIRE(refused.ok());
    CHECK_FALSE(*refused);
    CHECK(*a.requests->ask(a.to(a, 5000)));
    CHECK(b.requests->take_requests(3)->size() == 3);
    CHECK(b.requests->take_requests(1000)->size() == kRequestsAtOnce);
    CHECK(*a.requests->ask(a.to(b, 5000)));
  }
  SECTION("who has stopped waiting is not served") {
    NodeRequest brief = a.to(b, 1);
    brief.within = Duration(-1);
    REQUIRE(*a.requests->ask(brief));
    CHECK(b.requests->take_requests(kRequestsAtOnce)->empty());
    CHECK(rows_of(database, "request") == 0);
  }
  SECTION("one number is one request") {
    REQUIRE(*a.requests->ask(a.to(b, 1)));
    CHECK_FALSE(a.requests->ask(a.to(b, 1)).ok());
    CHECK(*a.requests->ask(a.to(b, 2)));
  }
  SECTION("what nobody takes is swept") {
    REQUIRE(*a.requests->ask(a.to(b, 1)));
    REQUIRE(*a.requests->ask(a.to(b, 2)));
    REQUIRE(a.requests->answer({b.self.node, 1, 0, "x"}).ok());
    database.run("UPDATE request SET at = at - 3600001 WHERE n = 1");
    REQUIRE(b.requests->sweep().ok());
    CHECK(rows_of(database, "request") == 1);
    CHECK(rows_of(database, "answer") == 1);
    database.run("UPDATE answer SET at = at - 3600001");
    REQUIRE(b.requests->sweep().ok());
    CHECK(rows_of(database, "answer") == 0);
  }
}

TEST_CASE("rows that no program of ours has written are no requests") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Keeping a(database, "a");
  SECTION("an answer without its beginning, or with a hole") {
    database.run("INSERT INTO answer VALUES (0, 1, 0, 0, 0, 'x'), (0, 1, 2, 0, 0, 'x')");
    CHECK_FALSE(a.requests->take_answers().ok());
    CHECK(a.requests->take_answers().ok());  // and it does not come back
  }
  SECTION("a kind that there is not") {
    database.run("INSERT INTO request VALUES (0, 1, 3, -5, 0, 9000000000000000, 'x')");
    auto taken = a.requests->take_requests(kRequestsAtOnce);
    REQUIRE(taken.ok());
    REQUIRE(taken->size() == 1);
    CHECK(taken->front().kind == -5);
  }
  SECTION("a time beyond all reason") {
    database.run("INSERT INTO request VALUES (0, 1, 3, 1, 0, -9223372036854775807, 'x')");
    (void)a.requests->take_requests(kRequestsAtOnce);
    CHECK(a.requests->take_answers().ok());
  }
}

TEST_CASE("a node whose term was ended asks nobody, and answers nobody") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  Keeping a(database, "a");
  Keeping b(database, "b");
  REQUIRE(*b.requests->ask(b.to(a, 1)));
  REQUIRE(*a.requests->ask(a.to(b, 1)));
  REQUIRE(*a.store->shared()->fence(b.self.node, b.self.term, -1));
  // Its session was ended with its term.
  CHECK_FALSE(b.requests->answer({a.self.node, 1, 0, "x"}).ok());
  CHECK_FALSE(b.requests->sweep().ok());
  CHECK_FALSE(b.requests->ask(b.to(a, 2)).ok());
  CHECK_FALSE(b.requests->take_requests(kRequestsAtOnce).ok());
  CHECK(rows_of(database, "request") == 2);
  CHECK(rows_of(database, "answer") == 0);
}
