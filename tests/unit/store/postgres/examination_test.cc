// What `cluster check` finds out of a real server, as a role that is no superuser.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "queue-schema/pg_migrations.h"

#include "qmgr/store/postgres/pg_examination.h"
#include "tests/unit/store/postgres/pg_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;

namespace {

cluster::ServerFacts examined(const PgOptions& options) {
  auto facts = examine_database(options);
  if (!facts) FAIL(facts.error().text);
  return facts.take();
}

}  // namespace

TEST_CASE("a server tells what the queue needs to know, and is not changed by that") {
  if (!test::has_server()) return;
  test::PostgresDatabase database;
  (void)test::opened(database.options());
  cluster::ServerFacts facts = examined(database.options());
  CHECK(facts.version >= 140'000);
  CHECK(facts.server.find("PostgreSQL ") == 0);
  CHECK(facts.may_create);
  CHECK_FALSE(facts.superuser);
  CHECK_FALSE(facts.sees_standbys);
  CHECK(facts.foreign_tables == 0);
  CHECK(facts.schema == queue_schema::pg_schema_version());
  CHECK(facts.schema_trouble.empty());
  CHECK_FALSE(facts.commit.fsync);  // as the test's server is
  CHECK(facts.commit.synchronous_commit == "on");
  CHECK(facts.commit.standby_names.empty());
  CHECK(facts.commit.receivers == 0);
  CHECK(facts.autovacuum);
  CHECK(facts.round_trip > 0us);
  CHECK(facts.round_trip < 1s);
  CHECK(std::chrono::abs(facts.clock_difference) < 1s);

  // Of a program that is older than the tables.
  database.run("UPDATE schema_info SET version = 1000, oldest_compatible = 1000 WHERE one = 1");
  facts = examined(database.options());
  CHECK(facts.schema_trouble.find("too old") != std::string::npos);
  database.run("UPDATE schema_info SET version = 1, oldest_compatible = 1 WHERE one = 1");
  facts = examined(database.options());
  CHECK(facts.schema == 1);
  CHECK(database.run("SELECT version FROM schema_info WHERE one = 1") == 1);
  database.run(
      fmt::format("UPDATE schema_info SET version = {0}, oldest_compatible = {0} WHERE one = 1",
                  queue_schema::pg_schema_version()));
}

TEST_CASE("a name that lives elsewhere is taken, and one that is gone or ours is free") {
  if (!test::has_server()) return;
  test::PostgresDatabase database;
  PgOptions options = database.options();
  options.node_name = "mx1";
  options.machine = "here";
  (void)test::opened(options);
  CHECK_FALSE(examined(options).node_taken);
  options.machine = "there";
  CHECK(examined(options).node_taken);
  options.machine.clear();
  CHECK(examined(options).node_taken);
  options.node_name = "mx2";
  CHECK_FALSE(examined(options).node_taken);
  database.run("UPDATE node SET state = 0");
  options.node_name = "mx1";
  CHECK_FALSE(examined(options).node_taken);
}

TEST_CASE("tables of another role are no queue of ours, and a member sees the standbys") {
  if (!test::has_server()) return;
  test::PostgresDatabase database;
  (void)test::opened(database.options());
  database.run("ALTER TABLE fresh OWNER TO postgres");
  CHECK(examined(database.options()).foreign_tables == 1);
  database.run("ALTER TABLE fresh OWNER TO postwain");
  database.run("GRANT pg_read_all_stats TO postwain");
  CHECK(examined(database.options()).sees_standbys);
  database.run("REVOKE pg_read_all_stats FROM postwain");
  PgOptions superuser = database.options();
  superuser.conninfo = test::PostgresServer::get()->conninfo(database.name(), "postgres");
  CHECK(examined(superuser).superuser);
}

TEST_CASE("a server that cannot be reached is an error") {
  PgOptions options;
  options.conninfo = "host=/nonexistent dbname=queue";
  auto facts = examine_database(options);
  REQUIRE_FALSE(facts.ok());
  CHECK(facts.error().kind == StoreError::Kind::away);
  CHECK(facts.error().text ==
        "the database at /nonexistent cannot be reached: No such file or directory");
  options.conninfo = "host=/nonexistent port=5433";
  CHECK(examine_database(options).error().text.find("the database at /nonexistent:5433 cannot") ==
        0);
}

TEST_CASE("a server behind db-link has the name of the configuration, never that of the socket") {
  PgOptions options;
  options.conninfo = "host=/nonexistent/db/0,/nonexistent/db/1 port=5432,5433 dbname=queue";
  options.places = {{"/nonexistent/db/0", "db1.example.org:5432"},
                    {"/nonexistent/db/1", "[2001:db8::1]:5433"}};
  auto facts = examine_database(options);
  REQUIRE_FALSE(facts.ok());
  CHECK(facts.error().text ==
        "the database at [2001:db8::1]:5433 cannot be reached: No such file or directory");
}
