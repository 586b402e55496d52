// Rows of recipients that wait, found by their destination and the time they are due.
#pragma once

#include "qmgr/store/queue_store.h"
#include "qmgr/store/sqlite/prepared_sql.h"

namespace postwain::qmgr {

class SqliteWaiting final : public WaitingRows {
 public:
  SqliteWaiting(PreparedSql& sql, MessageRows& rows) : sql_(sql), rows_(rows) {}

  StoreResult<DuePage> due(const std::string& destination, WallTime now, std::uint32_t limit,
                           const StoreCursor& after) override;
  StoreResult<std::vector<DueDestination>> destinations(const std::string& after,
                                                        std::size_t limit) override;
  StoreStatus write(std::span<const WaitingFact> facts) override;
  StoreResult<std::int64_t> set_back(const std::string& destination, WallTime now, Duration by,
                                     WallTime latest) override;

 private:
  StoreStatus add_messages(DuePage& page);
  StoreStatus write_one(const BringForward& fact);
  StoreStatus write_one(const MoveRecipients& fact);

  PreparedSql& sql_;
  MessageRows& rows_;
};

}  // namespace postwain::qmgr
