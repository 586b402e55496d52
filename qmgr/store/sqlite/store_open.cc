// Opening the queue database: the order of these steps is part of the guarantee.
#include <chrono>

#include <sqlite3.h>

#include <fmt/format.h>

#include "queue-schema/migrations.h"

#include "qmgr/disk/failpoint.h"
#include "qmgr/store/sqlite/database_setup.h"
#include "qmgr/store/sqlite/store.h"

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
  const FileIdentity identity{queue_schema::kApplicationId, queue_schema::kSchemaVersion,
                              "queue database", queue_schema::migrations()};
  if (Status s = check_identity(db, identity); !s) return s;
  return migrate(db, identity);
}

}  // namespace

Result<Store> Store::open(const std::string& path, const char* vfs) {
  // Counting every allocation takes a mutex each time; nobody reads the figures. Refused, without
  // harm, once the library is in use.
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
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
  Store store(db.take());
  store.unclean_ = *log_there;
  if (Status s = store.prepare(); !s) return s.error();
  return store;
}

Store::Store(Database db) : db_(std::move(db)), wal_bytes_(std::make_unique<std::int64_t>(0)) {}

Store::Store(Store&& other) noexcept = default;

Store::~Store() {
  for (Statement& statement : statements_) statement = Statement();
}

Status Store::prepare() {
  for (std::size_t i = 0; i < kSqlCount; ++i) {
    Result<Statement> statement = Statement::prepare(db_, sql_text(static_cast<Sql>(i)));
    if (!statement) return statement.error();
    statements_[i] = statement.take();
  }
  auto note_size = [](void* context, sqlite3*, const char*, int pages) noexcept {
    *static_cast<std::int64_t*>(context) = std::int64_t{pages} * (4096 + 24);
    return SQLITE_OK;
  };
  sqlite3_wal_hook(db_.raw(), note_size, wal_bytes_.get());
  return {};
}

Status Store::begin() {
  return simple(Sql::begin);
}

Status Store::commit() {
  return simple(Sql::commit);
}

void Store::roll_back() {
  if (db_.in_transaction()) (void)simple(Sql::roll_back);
}

Status Store::checkpoint(Checkpoint how) {
  int in_log = 0;
  int done = 0;
  if (Status s = failpoint(Failpoint::checkpoint_before); !s) return s;
  int mode = how == Checkpoint::truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
  int code = sqlite3_wal_checkpoint_v2(db_.raw(), nullptr, mode, &in_log, &done);
  if (code != SQLITE_OK) return db_.error("checkpoint");
  // The next commit begins the log anew.
  if (in_log == done) *wal_bytes_ = 0;
  return failpoint(Failpoint::checkpoint_after);
}

void Store::keep_log_file() {
  int keep = 1;
  (void)sqlite3_file_control(db_.raw(), nullptr, SQLITE_FCNTL_PERSIST_WAL, &keep);
}

Result<bool> Store::quick_check(Duration at_most) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point deadline = Clock::now() + at_most;
  auto too_long = [](void* context) noexcept {
    return Clock::now() >= *static_cast<Clock::time_point*>(context) ? 1 : 0;
  };
  constexpr int kStepsBetweenLooks = 20000;
  sqlite3_progress_handler(db_.raw(), kStepsBetweenLooks, too_long, &deadline);
  Result<std::string> found = db_.ask("PRAGMA quick_check(1)");
  sqlite3_progress_handler(db_.raw(), 0, nullptr, nullptr);
  if (!found && (found.error().code & 0xFF) == SQLITE_INTERRUPT) return false;
  if (!found) return found.error();
  if (*found != "ok") return Error{"the queue database is damaged: " + *found, SQLITE_CORRUPT};
  return true;
}

Status Store::vacuum_step() {
  return incremental_vacuum(db_);
}

}  // namespace postwain::qmgr
