#include "qmgr/store/postgres/session/pg_schema.h"

#include <fmt/format.h>

#include "queue-schema/pg_migrations.h"

namespace postwain::qmgr {

namespace {

StoreStatus take_step(PgConnection& connection, const queue_schema::Migration& step) {
  std::string sql = "BEGIN; SET LOCAL lock_timeout = '2s'; ";
  if (step.version > 1) sql += "SELECT version FROM schema_info WHERE one = 1 FOR UPDATE; ";
  sql.append(step.sql);
  sql += fmt::format("; UPDATE schema_info SET version = {} WHERE one = 1; COMMIT", step.version);
  auto done = connection.run_script(sql);
  if (done) return {};
  (void)connection.run_script("ROLLBACK");
  return done.error();
}

}  // namespace

StoreResult<std::int64_t> version_of_tables(PgConnection& connection) {
  auto there = connection.run_script(
      "SELECT count(*) FROM pg_class WHERE relname = 'schema_info' AND "
      "relnamespace = current_schema()::regnamespace");
  if (!there || *there == 0) return there;
  auto oldest = connection.run_script("SELECT oldest_compatible FROM schema_info WHERE one = 1");
  if (!oldest) return oldest;
  auto version = connection.run_script("SELECT version FROM schema_info WHERE one = 1");
  if (!version) return version;
  if (*version <= 0 || *oldest <= 0)
    return StoreError{StoreError::Kind::damaged, "these are not tables of a Postwain queue"};
  if (*oldest > queue_schema::pg_schema_version())
    return StoreError{StoreError::Kind::damaged,
                      fmt::format("the queue's tables have schema {}, which this program (schema "
                                  "{}) is too old for; install the newer Postwain again",
                                  *version, queue_schema::pg_schema_version())};
  return version;
}

StoreStatus bring_schema_up(PgConnection& connection) {
  auto version = version_of_tables(connection);
  if (!version) return version.error();
  for (const queue_schema::Migration& step : queue_schema::pg_migrations()) {
    if (step.version <= *version) continue;
    StoreStatus done = take_step(connection, step);
    if (done) continue;
    // Another node may have been quicker.
    version = version_of_tables(connection);
    if (!version) return version.error();
    if (*version < step.version) return done;
  }
  return {};
}

StoreStatus check_schema(PgConnection& connection) {
  auto version = version_of_tables(connection);
  if (!version) return version.error();
  if (*version == 0)
    return StoreError{StoreError::Kind::refused, "there is no queue of Postwain in this database"};
  if (*version < queue_schema::pg_schema_version())
    return StoreError{StoreError::Kind::refused,
                      "the queue in this database is an older Postwain's; start this one with it "
                      "once, which brings it up to date"};
  return {};
}

StoreResult<std::int64_t> queue_number(PgConnection& connection) {
  auto number = connection.run_script("SELECT queue FROM schema_info WHERE one = 1");
  if (number && *number <= 0)
    return StoreError{StoreError::Kind::damaged, "these are not tables of a Postwain queue"};
  return number;
}

}  // namespace postwain::qmgr
