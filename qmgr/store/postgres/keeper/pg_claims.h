// The table of claims on PostgreSQL (qmgr/store/claim_table.h).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "qmgr/store/claim_table.h"
#include "qmgr/store/postgres/keeper/pg_keeper_session.h"

namespace postwain::qmgr {

class PgClaims final : public ClaimTable {
 public:
  explicit PgClaims(PgKeeperSession& session) : session_(session) {}

  StoreResult<std::vector<cluster::Claim>> claim(std::span<const Wish> wishes) override;
  StoreResult<std::vector<Owned>> owned(const std::string& prefix) override;
  StoreStatus drop(const std::string& prefix) override;
  StoreStatus sweep() override;

 private:
  PgKeeperSession& session_;
};

}  // namespace postwain::qmgr
