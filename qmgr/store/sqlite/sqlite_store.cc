#include "qmgr/store/sqlite/sqlite_store.h"

#include <sqlite3.h>

#include <fmt/format.h>

#include "queue-schema/migrations.h"

#include "qmgr/store/sqlite/database_setup.h"

namespace postwain::qmgr {

namespace {

// An empty file counts as none: SQLite would throw away the log beside it.
Result<bool> exists(const char* vfs, const std::string& path) {
  sqlite3_vfs* layer = sqlite3_vfs_find(vfs);
  PW_CHECK(layer != nullptr);
  int found = 0;
  if (layer->xAccess(layer, path.c_str(), SQLITE_ACCESS_EXISTS, &found) != SQLITE_OK)
    return Error{path + ": cannot be looked at", SQLITE_IOERR_ACCESS};
  return found != 0;
}

// A value that does not read back as it was set means a library that was built otherwise than we
// rely on.
Status demand(Database& db, const std::string& pragma, const std::string& value) {
  Result<std::string> got = db.ask("PRAGMA " + pragma);
  if (!got) return got.error();
  if (*got != value)
    return Error{fmt::format("PRAGMA {} is '{}' instead of '{}'", pragma, *got, value),
                 SQLITE_MISUSE};
  return {};
}

constexpr const char* kSettings[] = {
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = FAST",
    "PRAGMA cache_size = -65536",
    "PRAGMA mmap_size = 0",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cell_size_check = ON",
};

Status set_the_rest(Database& db) {
  harden(db);
  if (Status s = run_all(db, kSettings); !s) return s;
  if (Status s = demand(db, "synchronous", "2"); !s) return s;
  if (Status s = demand(db, "foreign_keys", "1"); !s) return s;
  return demand(db, "locking_mode", "exclusive");
}

Status make_current(Database& db) {
  const FileIdentity identity{queue_schema::kApplicationId, queue_schema::schema_version(),
                              "queue database", queue_schema::migrations()};
  if (Status s = check_identity(db, identity); !s) return s;
  return migrate(db, identity);
}

// An opened file that is ours and current, and whether a log lay beside it.
struct Opened {
  Database db;
  bool was_unclean = false;
};

Result<Opened> open_database(const std::string& path, const char* vfs) {
  Result<bool> there = exists(vfs, path);
  if (!there) return there.error();
  Result<bool> log_there = exists(vfs, path + "-wal");
  if (!log_there) return log_there.error();
  bool is_new = !*there;
  if (is_new && *log_there)
    return Error{path +
                     " is missing although its -wal file is there; it is not created anew, "
                     "since that would lose the mail in it",
                 SQLITE_NOTADB};
  Result<Database> db =
      Database::open(path, is_new ? Database::Create::if_missing : Database::Create::never, vfs);
  if (!db) return db.error();
  using Step = Status (*)(Database&);
  for (Step step : {Step(set_before_first_page), Step(set_the_rest), Step(make_current)})
    if (Status s = step(*db); !s) return Error{path + ": " + s.error().text, s.error().code};
  return Opened{db.take(), *log_there};
}

}  // namespace

StoreResult<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::string& path,
                                                            const char* vfs) {
  // Counting every allocation takes a mutex each time; nobody reads the figures. Refused, without
  // harm, once the library is in use.
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  Result<Opened> opened = open_database(path, vfs);
  if (!opened) return store_error(opened.error());
  std::unique_ptr<SqliteStore> store(new SqliteStore(std::move(opened->db), opened->was_unclean));
  if (Status s = store->sql_.prepare(); !s) return store_error(s.error());
  return store;
}

void SqliteStore::roll_back() {
  if (sql_.database().in_transaction()) (void)sql_.run(Sql::roll_back);
}

}  // namespace postwain::qmgr
