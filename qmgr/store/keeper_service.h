// What the nodes of a shared queue tell each other through its database beside the mail's own
// transactions. It has a session and a thread of its own, so that neither holds up the other.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "qmgr/store/breaker_table.h"
#include "qmgr/store/claim_table.h"
#include "qmgr/store/history_blocks.h"
#include "qmgr/store/pace_table.h"
#include "qmgr/store/request_table.h"
#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

// The tables that are not the mail's. Each is used by the keeper's thread alone, within one job.
class KeeperTables {
 public:
  virtual ~KeeperTables() = default;
  virtual HistoryBlockTable& history_blocks() = 0;
  virtual RequestTable& requests() = 0;
  virtual ClaimTable& claims() = 0;
  virtual PaceTable& paces() = 0;
  virtual BreakerTable& breakers() = 0;
};

class KeeperService {
 public:
  virtual ~KeeperService() = default;
  using Completion = std::function<void()>;
  using Job = std::function<Completion(KeeperTables&)>;
  // Jobs run one after the other on the keeper's thread, and what they return on the loop. A job
  // does not wait for a database that is away: its calls fail, and its owner tries again. Jobs that
  // have not run when the service goes are forgotten.
  virtual void post(Job job) = 0;
};

// ask(KeeperTables&) runs on the keeper's thread, and then(its result) on the loop.
template <class Ask, class Then>
void keep_then(KeeperService& service, Ask ask, Then then) {
  service.post([ask = std::move(ask),
                then = std::move(then)](KeeperTables& tables) -> KeeperService::Completion {
    auto found = std::make_shared<decltype(ask(tables))>(ask(tables));
    return [found, then] { then(std::move(*found)); };
  });
}

}  // namespace postwain::qmgr
