// What the server answered to one statement. It is checked like input from outside: the number of
// columns, each column's type, form and length, and that nothing is NULL. What does not fit makes
// the reader fail, and the caller reports damage; nothing of it becomes a value.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "qmgr/store/store_error.h"

struct pg_result;

namespace postwain::qmgr {

class PgResult {
 public:
  explicit PgResult(pg_result* owned) : result_(owned) {}

  int rows() const;
  // How many rows the statement changed; nothing where its tag does not say.
  std::optional<std::int64_t> changed() const;
  std::string_view tag() const;  // "COMMIT"
  const pg_result* raw() const { return result_.get(); }

 private:
  struct Free {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Free> result_;
};

// One row, read column by column. After the last one done() tells whether all of it was as it
// should be. A view ends with the result.
class PgReader {
 public:
  PgReader(const PgResult& result, int row) : result_(result.raw()), row_(row) {}

  std::int64_t number();  // of int2, int4 and int8; 0 after a failure
  bool flag() { return number() != 0; }
  std::string_view view();  // of bytea; empty after a failure
  std::string text() { return std::string(view()); }
  // Every column was read, and none of them was wrong.
  bool done() const;

 private:
  std::optional<std::string_view> next();  // nothing: it is not there, NULL, or text

  const pg_result* result_;
  int row_;
  int column_ = 0;
  bool failed_ = false;
};

// For a row that was not as it should be.
StoreError strange_answer();

}  // namespace postwain::qmgr
