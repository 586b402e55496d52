#include "qmgr/store/sqlite/sqlite.h"

#include <cerrno>

#include <sqlite3.h>

#include <fmt/format.h>

#include "common/base/file.h"

namespace postwain::qmgr {

StoreError::Kind kind_of(const Error& error) {
  switch (error.code & 0xFF) {
    case 0:
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
      return StoreError::Kind::refused;
    case SQLITE_FULL:
      return StoreError::Kind::full;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return StoreError::Kind::busy;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return StoreError::Kind::damaged;
    default:
      return StoreError::Kind::broken;
  }
}

StoreError store_error(const Error& error) {
  return {kind_of(error), error.text};
}

StoreStatus store_status(const Status& status) {
  if (status) return {};
  return store_error(status.error());
}

Status sqlite_failpoint(Failpoint point) {
  Status reached = failpoint(point);
  if (reached) return {};
  return Error{reached.error().text,
               reached.error().code == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_FSYNC};
}

Result<Database> Database::open(const std::string& path, Create create, const char* vfs) {
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
              SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE;
  if (create == Create::if_missing) flags |= SQLITE_OPEN_CREATE;
  Database db;
  int code = sqlite3_open_v2(path.c_str(), &db.db_, flags, vfs);
  if (code != SQLITE_OK) return db.error(path);
  return db;
}

Database& Database::operator=(Database&& other) noexcept {
  if (this != &other) {
    close();
    db_ = std::exchange(other.db_, nullptr);
  }
  return *this;
}

void Database::close() {
  // Fails only while statements are alive, which is a bug of the owner.
  if (db_ != nullptr) PW_CHECK(sqlite3_close(db_) == SQLITE_OK);
  db_ = nullptr;
}

Status Database::run(const std::string& sql) {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return error(sql.substr(0, 40));
  return {};
}

Result<std::string> Database::ask(const std::string& sql) {
  Result<Statement> statement = Statement::prepare(*this, sql);
  if (!statement) return statement.error();
  Use use(*statement);
  switch (use.step()) {
    case Use::Step::row:
      return use.text();
    case Use::Step::done:
      return std::string();
    case Use::Step::failed:
      break;
  }
  return error(sql.substr(0, 40));
}

// "unable to open database file" has many causes: what the system said is the one to be mended.
Error Database::error(std::string_view what) const {
  if (db_ == nullptr) return Error{fmt::format("{}: out of memory", what), SQLITE_NOMEM};
  int code = sqlite3_extended_errcode(db_);
  std::string text = fmt::format("{}: {}", what, sqlite3_errmsg(db_));
  bool of_the_system = (code & 0xFF) == SQLITE_CANTOPEN || (code & 0xFF) == SQLITE_IOERR;
  if (int number = of_the_system ? sqlite3_system_errno(db_) : 0; number > 0)
    text = system_error(text, number).text;
  return Error{std::move(text), code};
}

bool Database::is_taken_key() const {
  return sqlite3_extended_errcode(db_) == SQLITE_CONSTRAINT_PRIMARYKEY;
}

bool Database::in_transaction() const {
  return sqlite3_get_autocommit(db_) == 0;
}

int Database::changes() const {
  return sqlite3_changes(db_);
}

Result<Statement> Statement::prepare(Database& db, std::string_view sql) {
  Statement statement;
  int code = sqlite3_prepare_v3(db.raw(), sql.data(), static_cast<int>(sql.size()),
                                SQLITE_PREPARE_PERSISTENT, &statement.stmt_, nullptr);
  if (code != SQLITE_OK) return db.error(sql.substr(0, 60));
  return statement;
}

Statement& Statement::operator=(Statement&& other) noexcept {
  if (this != &other) {
    sqlite3_finalize(stmt_);
    stmt_ = std::exchange(other.stmt_, nullptr);
  }
  return *this;
}

Statement::~Statement() {
  sqlite3_finalize(stmt_);
}

Use::~Use() {
  sqlite3_reset(stmt_);
  sqlite3_clear_bindings(stmt_);
}

Use& Use::number(std::int64_t value) {
  sqlite3_bind_int64(stmt_, next_bind_++, value);
  return *this;
}

Use& Use::text(std::string_view value) {
  // A null pointer would bind NULL instead of an empty text.
  const char* data = value.data() != nullptr ? value.data() : "";
  sqlite3_bind_text64(stmt_, next_bind_++, data, value.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Use& Use::blob(std::string_view value) {
  const char* data = value.data() != nullptr ? value.data() : "";
  sqlite3_bind_blob64(stmt_, next_bind_++, data, value.size(), SQLITE_STATIC);
  return *this;
}

Use::Step Use::step() {
  next_column_ = 0;
  switch (sqlite3_step(stmt_)) {
    case SQLITE_ROW:
      return Step::row;
    case SQLITE_DONE:
      return Step::done;
    default:
      return Step::failed;
  }
}

std::int64_t Use::number() {
  return sqlite3_column_int64(stmt_, next_column_++);
}

std::string Use::text() {
  return std::string(view());
}

std::string_view Use::view() {
  int column = next_column_++;
  const void* data = sqlite3_column_blob(stmt_, column);
  int size = sqlite3_column_bytes(stmt_, column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

}  // namespace postwain::qmgr
