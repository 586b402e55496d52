// The lane of a node on a real server: who may commit, what becomes of lost sessions, and which
// databases and answers are refused.
#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <functional>
#include <thread>

#include "common/base/text.h"

#include "queue-schema/pg_migrations.h"

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

std::string end_sessions(const std::string& of = "postwain/%") {
  return "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name "
         "LIKE '" +
         of + "'";
}

}  // namespace

TEST_CASE("a second opener of a node fences the first") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto first = opened(database.options());
  REQUIRE(put(*first, 1).ok());
  auto second = opened(database.options());
  StoreStatus late = put(*first, 2);
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().kind == Kind::fenced);
  CHECK(first->scan().last_id().error().kind == Kind::fenced);
  CHECK(put(*second, 3).ok());
  CHECK(database.run("SELECT count(*) FROM fresh WHERE bag >= 0") == 2);
  CHECK(database.run("SELECT term FROM node WHERE id = 0") == 2);
}

// No node could be started, nor take over, while such a row was there.
TEST_CASE("names of attempts that cannot be read keep nobody from the queue") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  const AttemptName good{mail::QueueId{77}, 3};
  REQUIRE(opened(database.options()));
  const std::string row = "INSERT INTO attempt VALUES (0, 1, ";
  database.run(row + "1000, '\\x" + hex_encode(bytes_of({good})) + "'), (0, 1, 1001, '\\x0102')");
  database.run(row + "1002, repeat('x', 17000000)::bytea), (0, 1, 1003, '\\x" +
               std::string(24, '0') + "')");
  auto store = opened(database.options());
  CHECK(store->session().inherited() == std::vector<AttemptName>{good});
  CHECK(put(*store, 1).ok());
}

// "bigint out of range" at every start.
TEST_CASE("numbers at the end of their range keep nobody from the queue") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  PgOptions options = database.options();
  options.alone = false;
  REQUIRE(opened(options));
  database.run(
      "INSERT INTO node (id, name, machine, term, state, beat) VALUES (20, 'x', '', "
      "9223372036854775807, 1, 9223372036854775807), (21, 'y', '', 9223372036854775807, 1, "
      "9223372036854775807), (22, 'z', '', 1, 1, -9223372036854775808)");
  database.run("INSERT INTO lane VALUES (20, 0, 9223372036854775807)");
  auto store = opened(options);
  CHECK(put(*store, 1).ok());
  options.alone = true;
  options.silence = std::chrono::milliseconds(50);
  auto alone = opened(options);
  CHECK(put(*alone, 2).ok());
  CHECK(database.run("SELECT count(*) FROM node WHERE state = 0 AND id >= 20") == 3);
}

TEST_CASE("a transaction that is under way when the token is raised commits nothing") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto store = opened(database.options());
  CompactMessages::Insert one{mail::QueueId{5}, 1, "value"};
  REQUIRE(store->begin().ok());
  REQUIRE(store->compact().insert({&one, 1}).ok());
  // As a survivor does who takes over.
  database.run("UPDATE node SET term = term + 1, state = 0; UPDATE lane SET token = token + 1");
  StoreStatus done = store->commit();
  REQUIRE_FALSE(done.ok());
  CHECK(done.error().kind == Kind::fenced);
  store->roll_back();
  CHECK(database.run("SELECT count(*) FROM fresh WHERE bag >= 0") == 0);
  CHECK(put(*store, 6).error().kind == Kind::fenced);
}

TEST_CASE("a node that lives on another machine is not taken over") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto first = opened(database.options());
  PgOptions elsewhere = database.options();
  elsewhere.machine = "another machine";
  auto second = PgStore::open(elsewhere);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().kind == Kind::busy);
  CHECK(put(*first, 1).ok());
  database.run("UPDATE node SET state = 0");  // the cluster gave it up
  CHECK(PgStore::open(elsewhere).ok());
}

TEST_CASE("a lost session is renewed where nothing can be lost by it") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto store = opened(database.options());
  REQUIRE(put(*store, 1).ok());
  std::int64_t token = store->session().token();
  // Between transactions: nobody notices.
  REQUIRE(database.run(end_sessions()) == 1);
  CHECK(put(*store, 2).ok());
  CHECK(store->session().token() > token);
  REQUIRE(database.run(end_sessions()) == 1);
  CHECK(store->scan().last_id()->value == 2);
  // Within one: all of it is gone, and may be done again.
  CompactMessages::Insert one{mail::QueueId{3}, 1, "value"};
  REQUIRE(store->begin().ok());
  REQUIRE(store->compact().insert({&one, 1}).ok());
  REQUIRE(database.run(end_sessions()) == 1);
  StoreStatus lost = store->commit();
  REQUIRE_FALSE(lost.ok());
  CHECK(lost.error().kind == Kind::again);
  store->roll_back();
  CHECK(put(*store, 3).ok());
  CHECK(database.run("SELECT count(*) FROM fresh WHERE bag >= 0") == 3);
}

TEST_CASE("a value that is refused ends its transaction alone") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto store = opened(database.options());
  std::string large(5U << 20, 'x');
  CompactMessages::Insert one{mail::QueueId{3}, 1, large};
  REQUIRE(store->begin().ok());
  auto refused = store->compact().insert({&one, 1});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == Kind::refused);
  CHECK(refused.error().text.find("23514") != std::string::npos);
  store->roll_back();
  CHECK(put(*store, 4).ok());
}

TEST_CASE("a database without a server is away, and comes back") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  PgOptions options = database.options();
  auto store = opened(options);
  REQUIRE(put(*store, 1).ok());
  // Nobody may log in for a while.
  database.run("ALTER ROLE postwain NOLOGIN");
  database.run(end_sessions());
  StoreStatus away = put(*store, 2);
  REQUIRE_FALSE(away.ok());
  CHECK(away.error().kind == Kind::away);
  options.conninfo += " connect_timeout=1";
  CHECK(PgStore::open(options).error().kind == Kind::away);
  database.run("ALTER ROLE postwain LOGIN");
  bool back = false;
  for (int i = 0; i < 100 && !back; ++i) {
    back = put(*store, 3).ok();
    if (!back) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  CHECK(back);
}

TEST_CASE("a password stands apart, never in the address") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  PgOptions options = database.options();
  options.conninfo += " password=hush-hush";
  auto refused = PgStore::open(options);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == Kind::refused);
  CHECK(refused.error().text.find("hush") == std::string::npos);
  options.conninfo = "postgresql://postwain:hush-hush@/x?what=ever";
  CHECK(PgStore::open(options).error().text.find("hush") == std::string::npos);
  auto secret = std::make_shared<PgSecret>();
  secret->set("hush-hush");
  options = database.options();
  options.secret = secret;
  CHECK(PgStore::open(options).ok());
}

TEST_CASE("tables that are not ours, or of a newer program, are refused") {
  if (!has_server()) return;
  test::PostgresDatabase newer;
  (void)opened(newer.options());
  newer.run("UPDATE schema_info SET oldest_compatible = 999");
  auto refused = PgStore::open(newer.options());
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == Kind::damaged);
  CHECK(refused.error().text.find("too old") != std::string::npos);
  newer.run("UPDATE schema_info SET oldest_compatible = 1");

  test::PostgresServer& server = *test::PostgresServer::get();
  server.run("postgres", "CREATE DATABASE foreign_tables OWNER postwain");
  server.run("foreign_tables", "CREATE TABLE message (a int)");
  PgOptions options = newer.options();
  options.conninfo = server.conninfo("foreign_tables");
  auto foreign = PgStore::open(options);
  REQUIRE_FALSE(foreign.ok());
  CHECK(foreign.error().kind == Kind::damaged);
  CHECK(server.run("foreign_tables",
                   "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 1);
}

TEST_CASE("migrations of PostgreSQL are numbered from 1 without gaps") {
  std::int64_t expected = 1;
  for (const auto& step : queue_schema::pg_migrations()) REQUIRE(step.version == expected++);
}

TEST_CASE("answers of another form than the schema's are damage, and no value") {
  if (!has_server()) return;
  struct {
    const char* what;
    const char* change;
    const char* back;
  } rows[] = {
      {"another type", "ALTER TABLE fresh_left ALTER left_over TYPE text USING '1'",
       "ALTER TABLE fresh_left ALTER left_over TYPE bytea USING '1'"},
      {"NULL",
       "ALTER TABLE fresh_left ALTER left_over DROP NOT NULL; "
       "ALTER TABLE fresh ALTER recipients DROP NOT NULL; UPDATE fresh SET recipients = NULL",
       "UPDATE fresh SET recipients = 1; ALTER TABLE fresh ALTER recipients SET NOT NULL; "
       "ALTER TABLE fresh_left ALTER left_over SET NOT NULL"},
      {"another length", "ALTER TABLE fresh ALTER recipients TYPE float8",
       "ALTER TABLE fresh ALTER recipients TYPE int2"},
      {"no such column", "ALTER TABLE fresh RENAME recipients TO r",
       "ALTER TABLE fresh RENAME r TO recipients"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    test::PostgresDatabase database;
    auto store = opened(database.options());
    REQUIRE(put(*store, 1).ok());
    database.run(row.change);
    mail::QueueId id{1};
    auto rests = store->compact().rests({&id, 1});
    CHECK_FALSE(rests.ok());
    if (!rests) CHECK(rests.error().kind == Kind::damaged);
    store.reset();
    database.run(row.back);
  }
}

TEST_CASE("a commit with a warning is believed only when a later one has found it") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto store = opened(database.options());
  REQUIRE(put(*store, 1).ok());
  std::int64_t token = store->session().token();
  // No standby is there: a commit waits for it, until somebody cancels the waiting.
  database.run("ALTER SYSTEM SET synchronous_standby_names = '*'");
  database.run("SELECT count(pg_reload_conf())");
  std::atomic<bool> cancelled{false};
  std::thread operator_thread([&] {
    for (int i = 0; i < 400 && !cancelled; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      cancelled = database.run(
                      "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE "
                      "wait_event = 'SyncRep'") > 0;
    }
    database.run("ALTER SYSTEM RESET synchronous_standby_names");
    database.run("SELECT count(pg_reload_conf())");
  });
  // The server takes a moment to know of the standby; the first that waits for it is cancelled.
  std::uint64_t id = 1;
  for (int i = 0; i < 800 && !cancelled; ++i) {
    CHECK(put(*store, ++id).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  operator_thread.join();
  CHECK(cancelled);
  CHECK(store->session().token() > token);
  CHECK(database.run("SELECT count(*) FROM fresh WHERE bag >= 0") == static_cast<std::int64_t>(id));
}

TEST_CASE("a batch that the database has lost is noticed") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto store = opened(database.options());
  REQUIRE(put(*store, 1).ok());
  REQUIRE(put(*store, 2).ok());
  // As after a failover to a standby that was behind.
  database.run("DELETE FROM fresh WHERE id = 2 AND bag >= 0; UPDATE attempt SET n = n - 1");
  REQUIRE(database.run(end_sessions()) == 1);
  StoreStatus done = put(*store, 3);
  REQUIRE_FALSE(done.ok());
  CHECK(done.error().kind == Kind::broken);
  CHECK(done.error().text.find("lost") != std::string::npos);
}

TEST_CASE("the schema of PostgreSQL counts octets, and lets no NUL in") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  auto store = opened(database.options());
  struct {
    const char* what;
    std::function<void(NewMessage&)> change;
    bool taken;
  } rows[] = {
      {"as it should be", [](NewMessage&) {}, true},
      {"Latin-1", [](NewMessage& m) { m.info.arrival.client_name = "\xe9\xff"; }, true},
      {"an address of 1024 octets",
       [](NewMessage& m) {
         m.recipients[0].recipient.address = mail::Address("a", std::string(1022, 'x'));
       },
       true},
      {"one octet more",
       [](NewMessage& m) {
         m.recipients[0].recipient.address = mail::Address("a", std::string(1023, 'x'));
       },
       false},
      {"NUL in the account", [](NewMessage& m) { m.info.arrival.account = std::string("a\0b", 3); },
       false},
      {"NUL in the destination",
       [](NewMessage& m) { m.recipients[0].destination = std::string("mx:a\0b", 6); }, false},
      {"a destination that no index takes",
       [](NewMessage& m) { m.recipients[0].destination = std::string(2001, 'x'); }, false},
      {"an impossible size", [](NewMessage& m) { m.info.size = UINT64_MAX; }, false},
  };
  std::uint64_t id = 0;
  for (const auto& row : rows) {
    CAPTURE(row.what);
    NewMessage message = test::make_message(++id, {"b@example.net"});
    row.change(message);
    MessageRows::Insert one{&message, test::at(0), message.content};
    REQUIRE(store->begin().ok());
    auto stored = store->rows().insert({&one, 1});
    CHECK(stored.ok() == row.taken);
    if (!stored) CHECK(stored.error().kind == Kind::refused);
    if (stored) CHECK(store->commit().ok());
    store->roll_back();
  }
  CHECK(database.run("SELECT count(*) FROM message WHERE bag >= 0") == 3);
  CHECK(database.run("SELECT count(*) FROM recipient WHERE bag >= 0") == 3);
}
