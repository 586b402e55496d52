// The keeper on PostgreSQL (qmgr/store/keeper_service.h).
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/net/loop.h"

#include "qmgr/store/keeper_service.h"
#include "qmgr/store/postgres/keeper/pg_breakers.h"
#include "qmgr/store/postgres/keeper/pg_claims.h"
#include "qmgr/store/postgres/keeper/pg_history_blocks.h"
#include "qmgr/store/postgres/keeper/pg_keeper_session.h"
#include "qmgr/store/postgres/keeper/pg_paces.h"
#include "qmgr/store/postgres/keeper/pg_requests.h"

namespace postwain::qmgr {

class PgKeeper final : public KeeperService, private KeeperTables {
 public:
  // options: those that the store was opened with.
  PgKeeper(net::Loop& loop, PgOptions options, const SharedQueue::Self& self);
  ~PgKeeper() override;
  PgKeeper(const PgKeeper&) = delete;
  PgKeeper& operator=(const PgKeeper&) = delete;

  void post(Job job) override;

 private:
  HistoryBlockTable& history_blocks() override { return history_blocks_; }
  RequestTable& requests() override { return requests_; }

  ClaimTable& claims() override { return claims_; }
  PaceTable& paces() override { return paces_; }
  void run();
  void deliver();  // on the loop

  BreakerTable& breakers() override { return breakers_; }

  PgKeeperSession session_;  // the thread's own, as its tables are
  PgHistoryBlocks history_blocks_{session_};
  PgRequests requests_{session_};
  PgClaims claims_{session_};
  PgPaces paces_{session_};
  PgBreakers breakers_{session_};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::vector<Completion> done_;
  bool stop_ = false;
  std::unique_ptr<net::Wakeup> wakeup_;
  std::thread thread_;
};

}  // namespace postwain::qmgr
