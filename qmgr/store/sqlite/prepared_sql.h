// The queue database with its statements prepared, for the parts of SqliteStore.
#pragma once

#include <array>

#include "qmgr/store/sqlite/sqlite.h"
#include "qmgr/store/sqlite/statements.h"
#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

class PreparedSql {
 public:
  explicit PreparedSql(Database db) : db_(std::move(db)) {}
  ~PreparedSql();
  PreparedSql(const PreparedSql&) = delete;
  PreparedSql& operator=(const PreparedSql&) = delete;

  Status prepare();
  Statement& operator[](Sql which) { return statements_[static_cast<std::size_t>(which)]; }
  // After a step of that statement has failed.
  StoreError error(Sql which) const;
  // A statement without parameters and rows.
  StoreStatus run(Sql which);
  Database& database() { return db_; }

 private:
  Database db_;
  std::array<Statement, kSqlCount> statements_;
};

}  // namespace postwain::qmgr
