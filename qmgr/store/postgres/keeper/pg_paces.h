// The table of paces on PostgreSQL (qmgr/store/pace_table.h).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "qmgr/store/pace_table.h"
#include "qmgr/store/postgres/keeper/pg_keeper_session.h"

namespace postwain::qmgr {

class PgPaces final : public PaceTable {
 public:
  explicit PgPaces(PgKeeperSession& session) : session_(session) {}

  StoreResult<std::vector<Duration>> take(std::span<const Wish> wishes) override;
  // Looks at a page of rows, from where the last call ended; behind the last row it begins anew.
  StoreStatus sweep() override;

 private:
  PgKeeperSession& session_;
  std::string swept_up_to_;  // a key
};

}  // namespace postwain::qmgr
