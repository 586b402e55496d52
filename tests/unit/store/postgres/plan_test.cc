// The server's plan of every statement: none reads a big table from end to end, so that the cost of
// each depends on what it touches, not on the size of the queue. Sessions of ours take generic
// plans only, so this is what runs.
#include <catch2/catch.hpp>

#include "tests/unit/store/postgres/pg_support.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

std::size_t parameters_of(const std::string& sql) {
  std::size_t most = 0;
  for (std::size_t at = sql.find('$'); at != std::string::npos; at = sql.find('$', at + 1))
    most = std::max<std::size_t>(most, std::strtoul(sql.c_str() + at + 1, nullptr, 10));
  return most;
}

// As a script: prepared, and its plan as a count of lines that are so. Each line knows the next.
std::string question(const std::string& sql, const std::string& words) {
  std::string values;
  for (std::size_t i = 0; i < parameters_of(sql); ++i) values += i == 0 ? "(NULL" : ", NULL";
  if (!values.empty()) values += ')';
  return "CREATE FUNCTION pg_temp.lines() RETURNS SETOF text LANGUAGE plpgsql AS $f$ BEGIN RETURN "
         "QUERY EXECUTE 'EXPLAIN (COSTS off) EXECUTE asked " +
         values +
         "'; END $f$; "
         "PREPARE asked AS " +
         sql +
         "; "
         "SELECT count(*) FROM (SELECT line, coalesce(lead(line) OVER (), '') AS next "
         "FROM pg_temp.lines() AS line) plan WHERE " +
         words;
}

std::int64_t lines_with(const std::string& database, const std::string& sql,
                        const std::string& words) {
  const test::PostgresServer& server = *test::PostgresServer::get();
  auto connection = PgConnection::open(
      {server.conninfo(database), {}, "plan", std::chrono::seconds(5), std::chrono::seconds(30)});
  REQUIRE(connection.ok());
  auto lines = (*connection)->run_script(question(sql, words));
  INFO(sql);
  if (!lines) FAIL(lines.error().text);
  return *lines;
}

// An index that is walked without a condition is a scan in another dress.
void check_plans(const std::string& database) {
  const std::string big =
      "(message|content|recipient|fresh|fresh_left|attempt|chunk|request|answer|"
      "claim|pace|destination|history_block)";
  const std::string bad =
      "line ~ 'Seq Scan on " + big + "\\y' OR line ~ '(Hash|Merge) .*Join' OR " +
      "(line ~ 'Index (Only )?Scan.* on " + big + "(_|\\y)' AND next !~ 'Index Cond')";
  for (std::size_t i = 0; i < kPgCount; ++i) {
    std::string sql = sql_text(static_cast<Pg>(i));
    if (sql == "BEGIN" || sql == "COMMIT" || sql == "ROLLBACK") continue;
    CAPTURE(sql);
    CHECK(lines_with(database, sql, bad) == 0);
    CHECK(lines_with(database, sql, "true") > 0);
  }
}

}  // namespace

TEST_CASE("no statement on PostgreSQL reads a big table from end to end") {
  if (!test::has_server()) return;
  test::PostgresDatabase database;
  (void)test::opened(database.options());
  check_plans(database.name());
  // Neither statistics of empty tables nor those of full ones change anything.
  database.run("VACUUM ANALYZE");
  check_plans(database.name());
  database.run(
      "INSERT INTO fresh SELECT i % 64, i, 1, 'x' FROM generate_series(3001, 23000) i; "
      "INSERT INTO message SELECT i % 64, i, 'a@b', 0, 0, 0, 0, 0, '', 0, 0, 1, 1, '', '', '', '', "
      "0, 0, 0, 0 FROM generate_series(3001, 23000) i; "
      "INSERT INTO content SELECT i % 64, i, 'x' FROM generate_series(3001, 23000) i; "
      "INSERT INTO recipient SELECT i % 64, i, n, 'a@b', 0, '', 0, 'mx:b', 0, i, i % 2, 0, 0, 0, "
      "0, "
      "'', '', '', 0 FROM generate_series(3001, 23000) i, generate_series(0, 2) n; "
      "INSERT INTO chunk SELECT i % 64, i, n, 'x' FROM generate_series(3001, 8000) i, "
      "generate_series(0, 3) n; "
      "INSERT INTO claim SELECT ('place:' || i)::bytea, n, 3, 3 FROM generate_series(1, 3000) i, "
      "generate_series(-1, 3) n; ANALYZE");
  check_plans(database.name());
  for (const char* table : {"fresh", "message", "content", "recipient", "chunk"})
    database.run(std::string("DELETE FROM ") + table + " WHERE bag >= 0");
  database.run("VACUUM ANALYZE");
  check_plans(database.name());
  CHECK(lines_with(database.name(), sql_text(Pg::due_recipients),
                   "line ~ 'Index Only Scan using recipient_due'") == 1);
  CHECK(lines_with(database.name(), sql_text(Pg::due_recipients),
                   "line ~ 'Index Cond.*bag = b.bag.*destination = .*next_attempt_at <= .*ROW'") ==
        1);
  CHECK(lines_with(database.name(), sql_text(Pg::list_destinations),
                   "line ~ 'Index Cond.*bag = .*destination > '") == 1);
}
