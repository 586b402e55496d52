// Scans of the rows of the queue database.
#pragma once

#include "qmgr/store/queue_store.h"
#include "qmgr/store/sqlite/prepared_sql.h"

namespace postwain::qmgr {

class SqliteScan final : public RowScan {
 public:
  explicit SqliteScan(PreparedSql& sql) : sql_(sql) {}

  StoreResult<bool> recipients(const SurveyCursor& after, mail::QueueId last, std::size_t limit,
                               const OnRecipient& on_row) override;
  StoreResult<bool> senders(mail::QueueId after, mail::QueueId last, std::size_t limit,
                            const OnSender& on_row) override;
  StoreResult<mail::QueueId> count(mail::QueueId after, mail::QueueId last, std::size_t limit,
                                   Counts& counts) override;
  StoreResult<mail::QueueId> first_id() override;
  StoreResult<mail::QueueId> last_id() override;
  StoreResult<std::size_t> in_doubt(std::size_t most) override;

 private:
  StoreResult<mail::QueueId> ask_id(const char* question);

  PreparedSql& sql_;
};

}  // namespace postwain::qmgr
