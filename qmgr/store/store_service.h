// The store as the loop uses it: requests go in, and what became of them comes back on the loop, in
// the order in which it happened in the store. The queue manager uses the thread of
// store_worker.h; unit tests use a store in memory that answers when the test says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "qmgr/store/batch.h"
#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

class StoreService {
 public:
  using Completion = std::function<void()>;

  virtual ~StoreService() = default;

  // The request's own `done` is called when the commit is synced, or when it is refused.
  virtual void accept(std::unique_ptr<AcceptRequest> request) = 0;
  virtual void settle(std::unique_ptr<SettleRequest> request) = 0;
  // A small fact that rides along. done, if any, runs on the loop when it is committed: a read that
  // is asked for at once comes before it.
  virtual void write(Fact fact, std::function<void()> done) = 0;
  void write(Fact fact) { write(std::move(fact), nullptr); }
  // work runs where the store is and returns what then runs on the loop. It must be bounded.
  virtual void read(std::function<Completion(QueueStore&)> work) = 0;
  // The same, for whoever would do harm by taking a store that is away for one that has failed:
  // work gives such a failure (may_work_later) back instead of a completion, and then runs again
  // when the store answers again. It gives back no other failure.
  using Attempt = std::function<StoreResult<Completion>(QueueStore&)>;
  virtual void read_when_there(Attempt work) = 0;

  // QueueStore::pieces(), for other threads; null where there are none.
  virtual std::shared_ptr<PieceTransfers> transfers() const { return nullptr; }

  // There may be room again: a full disk is tried now, not at the next probe.
  virtual void retry_soon() {}
  // How many sessions have sent DATA and wait for a commit; see group_commit.h.
  virtual void set_past_data(std::uint32_t sessions) { (void)sessions; }
  // Jobs that can be delivered now, and cpu_pressure.h; the same.
  virtual void set_pressure(std::size_t ready, unsigned cpu_pressure) {
    (void)ready;
    (void)cpu_pressure;
  }
  // Bytes of the store's log.
  virtual std::int64_t wal_bytes() const { return 0; }
  // Requests without an answer; among them the settlements that wait for room on the disk.
  virtual std::size_t waiting() const { return 0; }
  virtual std::size_t unrecorded() const { return 0; }
  // The end: Maintenance::keep_log_file is wanted.
  virtual void keep_log_file() {}
  // Commits what waits, and closes. Callbacks of that last commit still run.
  virtual void finish() = 0;
};

// A read whose StoreResult is handed to `then` on the loop. ask(QueueStore&) runs where the store
// is, and again where that was away.
template <class Ask, class Then>
void read_then(StoreService& service, Ask ask, Then then) {
  service.read_when_there([ask = std::move(ask), then = std::move(then)](
                              QueueStore& store) -> StoreResult<StoreService::Completion> {
    auto found = std::make_shared<decltype(ask(store))>(ask(store));
    if (!*found && may_work_later(found->error())) return found->error();
    return StoreService::Completion([found, then] { then(std::move(*found)); });
  });
}

}  // namespace postwain::qmgr
