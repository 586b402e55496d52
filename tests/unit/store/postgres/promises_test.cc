// What a commit and a fence rest on, at the server itself: each of these promises is one that no
// other test would miss (tests/mistakes takes them away, one by one).
#include <catch2/catch.hpp>

#include "qmgr/store/postgres/session/pg_registration.h"
#include "tests/unit/store/postgres/pg_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using Kind = StoreError::Kind;
using test::has_server;
using test::opened;
using test::put;

namespace {

std::unique_ptr<PgConnection> connected(const PgOptions& options) {
  auto made = PgConnection::open(
      {options.conninfo, {}, "postwain/test/", options.connect_within, options.answer_within});
  if (!made) FAIL(made.error().text);
  return made.take();
}

PgAnswers ask(PgConnection& connection, std::vector<PgCommand> commands) {
  return connection.run(commands);
}

PgCommand fence_of(PgStore& store, std::int64_t token) {
  return {Pg::fence, PgParameters().int2(store.session().node()).int2(kLane).int8(token)};
}

}  // namespace

TEST_CASE("a session syncs what it commits, whatever the server, the database and the role say") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  database.run("ALTER ROLE postwain SET synchronous_commit = off");
  database.run("ALTER DATABASE " + database.name() + " SET synchronous_commit = local");
  auto store = opened(database.options());
  auto found = store->session().connection()->run_script(
      "SELECT (current_setting('synchronous_commit') = 'on' AND "
      "current_setting('transaction_isolation') = 'read committed' AND "
      "current_setting('default_transaction_isolation') = 'read committed')::int");
  database.run("ALTER ROLE postwain RESET synchronous_commit");
  REQUIRE(found.ok());
  CHECK(*found == 1);
}

TEST_CASE("COMMIT of a transaction that had failed says ROLLBACK, and is no commit") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto store = opened(database.options());
  auto connection = connected(database.options());
  PgAnswers failed =
      ask(*connection, {{Pg::begin, {}}, fence_of(*store, store->session().token() + 1)});
  REQUIRE(failed.error);
  REQUIRE(failed.sqlstate == "22012");
  PgAnswers end = ask(*connection, {{Pg::commit, {}}});
  REQUIRE(end.ok());
  CHECK_FALSE(end.warned);
  CHECK(end.results.back().tag() == "ROLLBACK");
  CHECK_FALSE(is_commit(end));
  // The control.
  PgAnswers good = ask(
      *connection, {{Pg::begin, {}}, fence_of(*store, store->session().token()), {Pg::commit, {}}});
  CHECK(is_commit(good));
}

TEST_CASE("who has passed the fence keeps its lane until the commit") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto store = opened(database.options());
  REQUIRE(put(*store, 1).ok());
  auto writer = connected(database.options());
  auto survivor = connected(database.options());
  REQUIRE(ask(*writer, {{Pg::begin, {}}, fence_of(*store, store->session().token())}).ok());
  const PgParameters lane = PgParameters().int2(store->session().node()).int2(kLane);
  PgAnswers raised =
      ask(*survivor, {{Pg::begin, {}}, {Pg::limit_locks, {}}, {Pg::raise_own_lane, lane}});
  CHECK(raised.sqlstate == "55P03");  // it waits, and no longer than it has to
  REQUIRE(ask(*survivor, {{Pg::roll_back, {}}}).ok());
  REQUIRE(is_commit(ask(*writer, {{Pg::commit, {}}})));
  CHECK(ask(*survivor, {{Pg::begin, {}}, {Pg::raise_own_lane, lane}, {Pg::commit, {}}}).ok());
  CHECK(put(*store, 2).error().kind == Kind::fenced);
}
