// What a commit and a fence rest on, at the server itself: each of these promises is one that no
// other test would miss (tests/mistakes takes them away, one by one).
#include <catch2/catch.hpp>

#include "qmgr/store/postgres/keeper/pg_keeper_session.h"
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

// A node that stands still may have sent half a batch, and the server waits for the rest of it.
TEST_CASE("half a transaction of a dead node does not keep the others from ending its term") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  PgOptions of_b = database.options();
  of_b.alone = false;
  of_b.node_name = "b";
  auto a = opened(database.options());
  auto b = opened(of_b);
  const SharedQueue::Self dead = b->shared()->self();
  CompactMessages::Insert one{mail::QueueId{1}, 1, "value"};
  REQUIRE(a->shared()->give(mail::QueueId{1}.bag(), dead.node).ok());
  b->shared()->receive(std::uint64_t{1} << mail::QueueId{1}.bag());
  REQUIRE(b->begin().ok());
  REQUIRE(b->compact().insert({&one, 1}).ok());
  // What it has sent of its next flight ends behind the fence.
  REQUIRE(ask(*b->session().connection(), {fence_of(*b, b->session().token())}).ok());
  const std::int64_t token = b->session().token();
  auto ended = a->shared()->fence(dead.node, dead.term, 0);
  REQUIRE(ended.ok());
  CHECK(*ended);
  CHECK_FALSE(b->commit().ok());
  CHECK(database.run("SELECT count(*) FROM fresh WHERE bag >= 0") == 0);
  // Nor does a session help that nobody has ended.
  auto late = connected(database.options());
  CHECK(ask(*late, {{Pg::begin, {}}, fence_of(*b, token)}).sqlstate == "22012");
}

TEST_CASE("the keeper writes under its fence, and believes no commit that warned") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto store = opened(database.options());
  PgKeeperSession keeper(database.options(), store->shared()->self());
  auto write = [&keeper] {
    PgKeeperSession::Commands one;
    one.push_back({Pg::remove_suspension, PgParameters().bytes("nobody.test")});
    return keeper.write(std::move(one));
  };
  REQUIRE(write().ok());
  database.run(
      "CREATE FUNCTION disturb() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN "
      "RAISE WARNING 'mind the step'; RETURN NULL; END $f$; "
      "CREATE CONSTRAINT TRIGGER disturbs AFTER DELETE ON suspension DEFERRABLE INITIALLY DEFERRED "
      "FOR EACH ROW EXECUTE FUNCTION disturb(); "
      "INSERT INTO suspension (destination, since, until, author, reason, changed) "
      "VALUES ('nobody.test', 0, 0, '', '', 0)");
  auto doubtful = write();
  REQUIRE_FALSE(doubtful.ok());
  CHECK(doubtful.error().kind == Kind::away);
  database.run("DROP FUNCTION disturb() CASCADE");
  REQUIRE(write().ok());
  // As a survivor does.
  database.run("UPDATE node SET term = term + 1, state = 0; UPDATE lane SET token = token + 1");
  auto late = write();
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().kind == Kind::fenced);
}
