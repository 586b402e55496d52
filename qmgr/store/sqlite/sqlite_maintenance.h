// The queue database's own upkeep: its write-ahead log, its free pages, its soundness, its copies.
#pragma once

#include "qmgr/store/queue_store.h"
#include "qmgr/store/sqlite/prepared_sql.h"

namespace postwain::qmgr {

class SqliteMaintenance final : public Maintenance {
 public:
  // was_unclean: there was a log beside the file when it was opened.
  SqliteMaintenance(PreparedSql& sql, bool was_unclean);

  std::int64_t log_bytes() const override { return log_bytes_; }
  StoreStatus checkpoint(bool wholly) override;
  StoreResult<bool> vacuum_step() override;
  void keep_log_file() override;
  StoreStatus prove_writable() override;
  bool was_unclean() const override { return was_unclean_; }
  StoreResult<bool> check(Duration at_most) override;
  StoreResult<std::unique_ptr<StoreCopy>> begin_copy(const std::string& path) override;

 private:
  PreparedSql& sql_;
  std::int64_t log_bytes_ = 0;  // set by a callback of SQLite
  bool was_unclean_;
};

}  // namespace postwain::qmgr
