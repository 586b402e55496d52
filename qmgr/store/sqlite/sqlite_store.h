// The queue's store on SQLite: one file, one connection, the default engine.
//
// Opening follows a fixed recipe: exclusive lock first, write-ahead log and full synchronisation
// read back, migrations, foreign and newer files refused. A file is created only where there is
// none and no trace of a former one.
#pragma once

#include <memory>
#include <string>

#include "qmgr/store/queue_store.h"
#include "qmgr/store/sqlite/prepared_sql.h"
#include "qmgr/store/sqlite/sqlite_compact.h"
#include "qmgr/store/sqlite/sqlite_facts.h"
#include "qmgr/store/sqlite/sqlite_maintenance.h"
#include "qmgr/store/sqlite/sqlite_rows.h"
#include "qmgr/store/sqlite/sqlite_scan.h"
#include "qmgr/store/sqlite/sqlite_waiting.h"

namespace postwain::qmgr {

class SqliteStore final : public QueueStore {
 public:
  // path: .../queue.db; no part of it may be a symbolic link. vfs: SQLite's name of a file layer,
  // null for the system's. busy: another process has the file open; damaged: it is not ours, of a
  // newer program, or broken.
  static StoreResult<std::unique_ptr<SqliteStore>> open(const std::string& path,
                                                        const char* vfs = nullptr);

  StoreStatus begin() override { return sql_.run(Sql::begin); }
  StoreStatus commit() override { return sql_.run(Sql::commit); }
  void roll_back() override;

  CompactMessages& compact() override { return compact_; }
  MessageRows& rows() override { return rows_; }
  RowScan& scan() override { return scan_; }
  WaitingRows& waiting() override { return waiting_; }
  DestinationFacts& destinations() override { return destinations_; }
  RecipientChecks& recipient_checks() override { return recipient_checks_; }
  ClockMemory& clock() override { return clock_; }
  Maintenance& maintenance() override { return maintenance_; }

  // For what stays SQLite's own: salvage, and tests of the file itself.
  Database& database() { return sql_.database(); }

 private:
  SqliteStore(Database db, bool was_unclean)
      : sql_(std::move(db)), maintenance_(sql_, was_unclean) {}

  PreparedSql sql_;
  SqliteCompact compact_{sql_};
  SqliteRows rows_{sql_};
  SqliteScan scan_{sql_};
  SqliteWaiting waiting_{sql_, rows_};
  SqliteDestinationFacts destinations_{sql_};
  SqliteRecipientChecks recipient_checks_{sql_};
  SqliteClock clock_{sql_};
  SqliteMaintenance maintenance_;
};

}  // namespace postwain::qmgr
