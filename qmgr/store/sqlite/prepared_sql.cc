#include "qmgr/store/sqlite/prepared_sql.h"

namespace postwain::qmgr {

PreparedSql::~PreparedSql() {
  for (Statement& statement : statements_) statement = Statement();
}

Status PreparedSql::prepare() {
  for (std::size_t i = 0; i < kSqlCount; ++i) {
    Result<Statement> statement = Statement::prepare(db_, sql_text(static_cast<Sql>(i)));
    if (!statement) return statement.error();
    statements_[i] = statement.take();
  }
  return {};
}

StoreError PreparedSql::error(Sql which) const {
  return store_error(db_.error(sql_text(which).substr(0, 40)));
}

StoreStatus PreparedSql::run(Sql which) {
  Use use((*this)[which]);
  if (!use.done()) return error(which);
  return {};
}

}  // namespace postwain::qmgr
