// The shared breakers on PostgreSQL (qmgr/store/breaker_table.h).
#pragma once

#include <span>
#include <string>

#include "qmgr/store/breaker_table.h"
#include "qmgr/store/postgres/keeper/pg_keeper_session.h"

namespace postwain::qmgr {

class PgBreakers final : public BreakerTable {
 public:
  explicit PgBreakers(PgKeeperSession& session) : session_(session) {}

  StoreStatus write(std::span<const BreakerWrite> breakers) override;
  StoreResult<Page> changes(const BreakerCursor& from) override;
  StoreResult<Trials> begin_trials(std::span<const Wish> wishes) override;
  StoreStatus end_trials(std::span<const std::string> keys) override;
  StoreStatus forget_old() override;

 private:
  PgKeeperSession& session_;
};

}  // namespace postwain::qmgr
