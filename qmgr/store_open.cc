// Opening the queue database: the order of these steps is part of the guarantee.
#include <sqlite3.h>

#include <fmt/format.h>

#include "queue-schema/migrations.h"

#include "qmgr/store.h"

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

Status run_all(Database& db, std::initializer_list<const char*> commands) {
  for (const char* command : commands)
    if (Status status = db.run(command); !status) return status;
  return {};
}

Status set_before_first_page(Database& db) {
  // EXCLUSIVE before the journal mode: no shared-memory file, and a second opener is refused.
  if (Status s = db.run("PRAGMA locking_mode = EXCLUSIVE"); !s) return s;
  Result<std::string> pages = db.ask("PRAGMA page_count");
  if (!pages) return pages.error();
  if (*pages == "0")
    if (Status s = run_all(db, {"PRAGMA page_size = 4096", "PRAGMA auto_vacuum = INCREMENTAL"}); !s)
      return s;
  Result<std::string> mode = db.ask("PRAGMA journal_mode = WAL");
  if (!mode) return mode.error();
  if (*mode != "wal") return Error{"no write-ahead log: " + *mode, SQLITE_MISUSE};
  return {};
}

Status set_the_rest(Database& db) {
  sqlite3_db_config(db.raw(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db.raw(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_limit(db.raw(), SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_limit(db.raw(), SQLITE_LIMIT_SQL_LENGTH, 16384);
  sqlite3_busy_timeout(db.raw(), 0);
  if (Status s = run_all(
          db, {"PRAGMA synchronous = FULL", "PRAGMA wal_autocheckpoint = 0",
               "PRAGMA journal_size_limit = 67108864", "PRAGMA foreign_keys = ON",
               "PRAGMA secure_delete = FAST", "PRAGMA cache_size = -65536", "PRAGMA mmap_size = 0",
               "PRAGMA temp_store = MEMORY", "PRAGMA cell_size_check = ON"});
      !s)
    return s;
  if (Status s = demand(db, "synchronous", "2"); !s) return s;
  if (Status s = demand(db, "foreign_keys", "1"); !s) return s;
  return demand(db, "locking_mode", "exclusive");
}

Result<std::int64_t> ask_number(Database& db, const std::string& sql) {
  Result<std::string> text = db.ask(sql);
  if (!text) return text.error();
  return std::int64_t{std::atoll(text->c_str())};
}

Status apply_migration(Database& db, const queue_schema::Migration& step) {
  if (Status s = db.run("BEGIN IMMEDIATE"); !s) return s;
  Status done = db.run(std::string(step.sql));
  if (done) done = db.run(fmt::format("PRAGMA user_version = {}", step.version));
  if (done) done = db.run("COMMIT");
  if (!done) (void)db.run("ROLLBACK");
  return done;
}

Status check_identity(Database& db) {
  Result<std::int64_t> application = ask_number(db, "PRAGMA application_id");
  if (!application) return application.error();
  Result<std::int64_t> tables = ask_number(db, "SELECT count(*) FROM sqlite_schema");
  if (!tables) return tables.error();
  if (*application == queue_schema::kApplicationId) return {};
  if (*application != 0 || *tables != 0)
    return Error{"this is not a Postwain queue database", SQLITE_NOTADB};
  return db.run(fmt::format("PRAGMA application_id = {}", queue_schema::kApplicationId));
}

Status migrate(Database& db) {
  Result<std::int64_t> version = ask_number(db, "PRAGMA user_version");
  if (!version) return version.error();
  if (*version > 0) {
    Result<std::int64_t> oldest = ask_number(db, "SELECT oldest_compatible FROM schema_info");
    if (!oldest) return oldest.error();
    if (*oldest > queue_schema::kSchemaVersion)
      return Error{fmt::format("the queue database has schema {}, which this program (schema {}) "
                               "is too old for; install the newer Postwain again",
                               *version, queue_schema::kSchemaVersion),
                   SQLITE_NOTADB};
  }
  for (const queue_schema::Migration& step : queue_schema::migrations())
    if (step.version > *version)
      if (Status s = apply_migration(db, step); !s) return s;
  return {};
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
  for (Step step :
       {Step(set_before_first_page), Step(set_the_rest), Step(check_identity), Step(migrate)})
    if (Status s = step(*db); !s) return Error{path + ": " + s.error().text, s.error().code};
  Store store(db.take());
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
  int mode = how == Checkpoint::truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
  int code = sqlite3_wal_checkpoint_v2(db_.raw(), nullptr, mode, &in_log, &done);
  if (code != SQLITE_OK) return db_.error("checkpoint");
  // The next commit begins the log anew.
  if (in_log == done) *wal_bytes_ = 0;
  return {};
}

Status Store::vacuum_step() {
  Result<std::int64_t> pages = ask_number(db_, "PRAGMA page_count");
  if (!pages) return pages.error();
  Result<std::int64_t> free = ask_number(db_, "PRAGMA freelist_count");
  if (!free) return free.error();
  if (*free < 1024 || *free * 4 < *pages) return {};
  return db_.run("PRAGMA incremental_vacuum(256)");
}

}  // namespace postwain::qmgr
