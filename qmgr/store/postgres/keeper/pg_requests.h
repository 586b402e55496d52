// What nodes ask each other, in the tables request and answer (qmgr/store/request_table.h).
#pragma once

#include "qmgr/store/postgres/keeper/pg_keeper_session.h"
#include "qmgr/store/request_table.h"

namespace postwain::qmgr {

class PgRequests final : public RequestTable {
 public:
  explicit PgRequests(PgKeeperSession& session) : session_(session) {}

  StoreResult<bool> ask(const NodeRequest& request) override;
  StoreResult<std::vector<NodeRequest>> take_requests(std::size_t most) override;
  StoreStatus answer(const NodeAnswer& answer) override;
  StoreResult<std::vector<NodeAnswer>> take_answers() override;
  StoreStatus sweep() override;

 private:
  PgKeeperSession& session_;
};

}  // namespace postwain::qmgr
