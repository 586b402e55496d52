#include "qmgr/store/postgres/session/sqlstate.h"

namespace postwain::qmgr {

namespace {

using Kind = StoreError::Kind;

struct SqlstateRow {
  std::string_view beginning;  // of the code: a class has two characters
  Kind kind;
};

// The first row that fits counts.
constexpr SqlstateRow kSqlstates[] = {
    {"40003", Kind::unsure},   // statement_completion_unknown
    {"40", Kind::again},       // serialisation failures and deadlocks
    {"53100", Kind::full},     // disk_full
    {"53", Kind::away},        // out of memory, too many connections
    {"08", Kind::away},        // connection exceptions
    {"57", Kind::away},        // shutdown, cancelled, crash of another session
    {"55", Kind::away},        // a lock that cannot be had in time
    {"25006", Kind::away},     // read_only_sql_transaction: a standby, after a failover
    {"25P", Kind::away},       // the session was idle for too long, or its transaction has failed
    {"26000", Kind::away},     // the prepared statement is gone: another server behind a pooler
    {"28", Kind::away},        // the login is refused: an operator may mend it any time
    {"3D000", Kind::away},     // there is no such database, yet
    {"0A", Kind::broken},      // not supported
    {"22", Kind::refused},     // a value
    {"23", Kind::refused},     // a constraint
    {"21", Kind::refused},     // cardinality
    {"54", Kind::refused},     // larger than the engine can keep
    {"42501", Kind::broken},   // insufficient_privilege
    {"42", Kind::damaged},     // tables or columns are not ours
    {"3F", Kind::damaged},     // no schema
    {"XX001", Kind::damaged},  // data_corrupted
    {"XX002", Kind::damaged},  // index_corrupted
};

}  // namespace

StoreError::Kind kind_of_sqlstate(std::string_view sqlstate) {
  if (sqlstate.size() != 5) return Kind::broken;
  for (const SqlstateRow& row : kSqlstates)
    if (sqlstate.substr(0, row.beginning.size()) == row.beginning) return row.kind;
  return Kind::broken;
}

}  // namespace postwain::qmgr
