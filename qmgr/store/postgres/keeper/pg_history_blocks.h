// The blocks of history on PostgreSQL (qmgr/store/history_blocks.h).
#pragma once

#include <vector>

#include "qmgr/store/history_blocks.h"
#include "qmgr/store/postgres/keeper/pg_keeper_session.h"

namespace postwain::qmgr {

class PgHistoryBlocks final : public HistoryBlockTable {
 public:
  explicit PgHistoryBlocks(PgKeeperSession& session) : session_(session) {}

  StoreResult<std::vector<Stored>> own(std::int64_t after, std::size_t most) override;
  StoreStatus put(const HistoryBlock& block, std::int64_t replaces) override;
  StoreStatus remove_own(std::int64_t up_to) override;
  StoreStatus remove_left(std::int64_t before) override;
  StoreResult<std::vector<Last>> last_blocks() override;
  StoreResult<Found> search(const Search& search) override;

 private:
  StoreStatus write(PgKeeperSession::Commands commands);

  PgKeeperSession& session_;
};

}  // namespace postwain::qmgr
