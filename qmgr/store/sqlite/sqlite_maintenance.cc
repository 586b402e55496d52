#include "qmgr/store/sqlite/sqlite_maintenance.h"

#include <chrono>

#include <sqlite3.h>

#include "qmgr/disk/failpoint.h"
#include "qmgr/store/sqlite/database_setup.h"

namespace postwain::qmgr {

namespace {

constexpr std::int64_t kFrameBytes = 4096 + 24;  // of the log, for each page
constexpr int kCopyPages = 256;                  // of one step, between two commits

class SqliteCopy final : public StoreCopy {
 public:
  explicit SqliteCopy(Database target) : target_(std::move(target)) {}
  ~SqliteCopy() override { close(); }

  StoreStatus begin(Database& source) {
    // It is synced as a whole at its end, by whoever asked for it.
    if (Status s = target_.run("PRAGMA synchronous = OFF"); !s) return store_error(s.error());
    backup_ = sqlite3_backup_init(target_.raw(), "main", source.raw(), "main");
    if (backup_ == nullptr) return store_error(target_.error("backup"));
    return {};
  }

  StoreResult<bool> step() override {
    int code = sqlite3_backup_step(backup_, kCopyPages);
    if (code == SQLITE_OK) return false;
    close();
    if (code == SQLITE_DONE) return true;
    return store_error(Error{std::string("backup: ") + sqlite3_errstr(code), code});
  }

 private:
  void close() {
    if (backup_ != nullptr) sqlite3_backup_finish(backup_);
    backup_ = nullptr;
    target_.close();
  }

  Database target_;
  sqlite3_backup* backup_ = nullptr;
};

}  // namespace

SqliteMaintenance::SqliteMaintenance(PreparedSql& sql, bool was_unclean)
    : sql_(sql), was_unclean_(was_unclean) {
  auto note_size = [](void* context, sqlite3*, const char*, int pages) noexcept {
    *static_cast<std::int64_t*>(context) = std::int64_t{pages} * kFrameBytes;
    return SQLITE_OK;
  };
  sqlite3_wal_hook(sql_.database().raw(), note_size, &log_bytes_);
}

StoreStatus SqliteMaintenance::checkpoint(bool wholly) {
  int in_log = 0;
  int done = 0;
  if (StoreStatus s = store_failpoint(Failpoint::checkpoint_before); !s) return s;
  int mode = wholly ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
  int code = sqlite3_wal_checkpoint_v2(sql_.database().raw(), nullptr, mode, &in_log, &done);
  if (code != SQLITE_OK) return store_error(sql_.database().error("checkpoint"));
  // The next commit begins the log anew.
  if (in_log == done) log_bytes_ = 0;
  return store_failpoint(Failpoint::checkpoint_after);
}

StoreResult<bool> SqliteMaintenance::vacuum_step() {
  Result<bool> more = incremental_vacuum(sql_.database());
  StoreStatus done = store_status(more ? Status() : Status(more.error()));
  if (!done) return done.error();
  return *more;
}

void SqliteMaintenance::keep_log_file() {
  int keep = 1;
  (void)sqlite3_file_control(sql_.database().raw(), nullptr, SQLITE_FCNTL_PERSIST_WAL, &keep);
}

StoreStatus SqliteMaintenance::prove_writable() {
  return store_status(
      sql_.database().run("UPDATE schema_info SET oldest_compatible = oldest_compatible"));
}

StoreResult<bool> SqliteMaintenance::check(Duration at_most) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point deadline = Clock::now() + at_most;
  auto too_long = [](void* context) noexcept {
    return Clock::now() >= *static_cast<Clock::time_point*>(context) ? 1 : 0;
  };
  constexpr int kStepsBetweenLooks = 20000;
  Database& db = sql_.database();
  sqlite3_progress_handler(db.raw(), kStepsBetweenLooks, too_long, &deadline);
  Result<std::string> found = db.ask("PRAGMA quick_check(1)");
  sqlite3_progress_handler(db.raw(), 0, nullptr, nullptr);
  if (!found && (found.error().code & 0xFF) == SQLITE_INTERRUPT) return false;
  if (!found) return store_error(found.error());
  if (*found != "ok")
    return StoreError{StoreError::Kind::damaged, "the queue database is damaged: " + *found};
  return true;
}

StoreResult<std::unique_ptr<StoreCopy>> SqliteMaintenance::begin_copy(const std::string& path) {
  Result<Database> target = Database::open(path, Database::Create::if_missing);
  if (!target) return store_error(target.error());
  auto copy = std::make_unique<SqliteCopy>(target.take());
  if (StoreStatus s = copy->begin(sql_.database()); !s) return s.error();
  return std::unique_ptr<StoreCopy>(std::move(copy));
}

}  // namespace postwain::qmgr
