#include "qmgr/store/sqlite/database_setup.h"

#include <cstdlib>

#include <sqlite3.h>

#include <fmt/format.h>

namespace postwain::qmgr {

Result<std::int64_t> ask_number(Database& db, const std::string& sql) {
  Result<std::string> text = db.ask(sql);
  if (!text) return text.error();
  return std::int64_t{std::strtoll(text->c_str(), nullptr, 10)};
}

Status run_all(Database& db, std::span<const char* const> commands) {
  for (const char* command : commands)
    if (Status status = db.run(command); !status) return status;
  return {};
}

void harden(Database& db) {
  sqlite3_db_config(db.raw(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db.raw(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_limit(db.raw(), SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_limit(db.raw(), SQLITE_LIMIT_SQL_LENGTH, 16384);
  sqlite3_busy_timeout(db.raw(), 0);
}

Status set_before_first_page(Database& db) {
  if (Status s = db.run("PRAGMA locking_mode = EXCLUSIVE"); !s) return s;
  Result<std::string> pages = db.ask("PRAGMA page_count");
  if (!pages) return pages.error();
  if (*pages == "0") {
    constexpr const char* kFirst[] = {"PRAGMA page_size = 4096",
                                      "PRAGMA auto_vacuum = INCREMENTAL"};
    if (Status s = run_all(db, kFirst); !s) return s;
  }
  Result<std::string> mode = db.ask("PRAGMA journal_mode = WAL");
  if (!mode) return mode.error();
  if (*mode != "wal") return Error{"no write-ahead log: " + *mode, SQLITE_MISUSE};
  return {};
}

Status check_identity(Database& db, const FileIdentity& identity) {
  Result<std::int64_t> application = ask_number(db, "PRAGMA application_id");
  if (!application) return application.error();
  Result<std::int64_t> tables = ask_number(db, "SELECT count(*) FROM sqlite_schema");
  if (!tables) return tables.error();
  if (*application == identity.application_id) return {};
  if (*application != 0 || *tables != 0)
    return Error{fmt::format("this is not a Postwain {}", identity.what), SQLITE_NOTADB};
  return db.run(fmt::format("PRAGMA application_id = {}", identity.application_id));
}

namespace {

Status apply_migration(Database& db, const queue_schema::Migration& step) {
  Status done = sqlite_failpoint(Failpoint::migration_before);
  if (done) done = db.run("BEGIN IMMEDIATE");
  if (done) done = db.run(std::string(step.sql));
  if (done) done = db.run(fmt::format("PRAGMA user_version = {}", step.version));
  if (done) done = sqlite_failpoint(Failpoint::migration_commit);
  if (done) done = db.run("COMMIT");
  if (done) done = sqlite_failpoint(Failpoint::migration_after);
  if (!done && db.in_transaction()) (void)db.run("ROLLBACK");
  return done;
}

}  // namespace

Status migrate(Database& db, const FileIdentity& identity) {
  Result<std::int64_t> version = ask_number(db, "PRAGMA user_version");
  if (!version) return version.error();
  if (*version > 0) {
    Result<std::int64_t> oldest = ask_number(db, "SELECT oldest_compatible FROM schema_info");
    if (!oldest) return oldest.error();
    if (*oldest > identity.schema_version)
      return Error{fmt::format("the {} has schema {}, which this program (schema {}) is too old "
                               "for; install the newer Postwain again",
                               identity.what, *version, identity.schema_version),
                   SQLITE_NOTADB};
  }
  for (const queue_schema::Migration& step : identity.migrations)
    if (step.version > *version)
      if (Status s = apply_migration(db, step); !s) return s;
  return {};
}

Result<bool> incremental_vacuum(Database& db) {
  Result<std::int64_t> pages = ask_number(db, "PRAGMA page_count");
  if (!pages) return pages.error();
  Result<std::int64_t> free = ask_number(db, "PRAGMA freelist_count");
  if (!free) return free.error();
  if (*free < 1024 || *free * 4 < *pages) return false;
  if (Status s = db.run("PRAGMA incremental_vacuum(256)"); !s) return s.error();
  return true;
}

}  // namespace postwain::qmgr
