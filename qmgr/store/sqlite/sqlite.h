// SQLite behind two small types. Every call reports failure as a Result whose code is SQLite's
// extended result code. No SQL here, and no policy: statements.h has the statements, prepared_sql.h
// what a code means. One thread at a time may use a database.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include "common/base/result.h"

#include "qmgr/disk/failpoint.h"
#include "qmgr/store/store_error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace postwain::qmgr {

// What SQLite's code says is wrong, in the words of the port. A code of 0 is a failure of ours, of
// one request alone.
StoreError::Kind kind_of(const Error& error);
StoreError store_error(const Error& error);
StoreStatus store_status(const Status& status);

// A failpoint (disk/failpoint.h) within a database's work, with its failure as SQLite's code.
Status sqlite_failpoint(Failpoint point);

class Database {
 public:
  enum class Create : std::uint8_t { never, if_missing };

  Database() = default;
  // vfs: SQLite's name of a file layer, null for the system's (a test has one in memory).
  static Result<Database> open(const std::string& path, Create create, const char* vfs = nullptr);
  Database(Database&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Database& operator=(Database&& other) noexcept;
  ~Database() { close(); }
  void close();

  // For statements without parameters (pragmas, transactions, migrations).
  Status run(const std::string& sql);
  // First column of the first row, as text.
  Result<std::string> ask(const std::string& sql);
  Error error(std::string_view what) const;
  // The last statement failed because a row has that key already.
  bool is_taken_key() const;
  bool in_transaction() const;
  int changes() const;
  sqlite3* raw() const { return db_; }
  explicit operator bool() const { return db_ != nullptr; }

 private:
  sqlite3* db_ = nullptr;
};

// One prepared statement. A use of it is: bind, step until done, and then reset() by Use.
class Statement {
 public:
  Statement() = default;
  static Result<Statement> prepare(Database& db, std::string_view sql);
  Statement(Statement&& other) noexcept : stmt_(std::exchange(other.stmt_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  sqlite3_stmt* raw() const { return stmt_; }

 private:
  sqlite3_stmt* stmt_ = nullptr;
};

// Binds in order, reads columns in order; resets the statement when it ends, since an open SELECT
// would pin the write-ahead log. Bound text must live as long as the Use.
class Use {
 public:
  explicit Use(Statement& statement) : stmt_(statement.raw()) {}
  ~Use();
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  Use& number(std::int64_t value);
  Use& flag(bool value) { return number(value ? 1 : 0); }
  // The bytes must live until the statement has been stepped: no temporaries.
  Use& text(std::string_view value);
  template <class T>
  requires std::is_same_v<T, std::string> Use& text(T&& value) = delete;
  Use& blob(std::string_view value);

  enum class Step : std::uint8_t { row, done, failed };
  Step step();
  // Steps a statement that gives no rows.
  bool done() { return step() == Step::done; }

  std::int64_t number();
  bool flag() { return number() != 0; }
  std::string text();       // of text and blobs
  std::string_view view();  // the same, until the next step

 private:
  sqlite3_stmt* stmt_;
  int next_bind_ = 1;
  int next_column_ = 0;
};

}  // namespace postwain::qmgr
