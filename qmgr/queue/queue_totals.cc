#include "qmgr/queue/queue_totals.h"

#include <utility>

#include "qmgr/store/queue_walk.h"

namespace postwain::qmgr {

void QueueTotals::start(mail::QueueId last) {
  core_.counts.start(last);
  count_next();
}

void QueueTotals::restart() {
  const std::uint64_t round = ++round_;
  read_then(
      core_.store, [](QueueStore& store) { return store.scan().last_id(); },
      [this, round](const StoreResult<mail::QueueId>& last) {
        if (!last) return core_.hooks.on_broken(last.error());
        if (round != round_ || core_.finishing) return;
        core_.counts.restart(*last);
        count_next();
      });
}

void QueueTotals::count_next() {
  if (core_.counts.complete() || core_.finishing) return;
  struct Window {
    Counts counts;
    std::optional<mail::QueueId> end;
  };
  read_then(
      core_.store,
      [after = core_.counts.cursor(),
       last = core_.counts.last()](QueueStore& store) -> StoreResult<Window> {
        Window window;
        auto end = QueueWalk(store).count(after, last, kCountMessages, window.counts);
        if (!end) return end.error();
        window.end = *end;
        return window;
      },
      [this, round = round_](const StoreResult<Window>& window) {
        if (!window) return core_.hooks.on_broken(window.error());
        if (round != round_) return;
        if (window->end)
          core_.counts.counted(*window->end, window->counts);
        else
          core_.counts.finished();
        count_next();
      });
}

void QueueTotals::look_for_oldest() {
  if (core_.finishing || std::exchange(looking_, true)) return;
  read_then(
      core_.store, [](QueueStore& store) { return store.scan().first_id(); },
      [this](const StoreResult<mail::QueueId>& first) {
        looking_ = false;
        if (!first) return core_.hooks.on_broken(first.error());
        oldest_ = first->value != 0 ? first->made_at() : WallTime{};
      });
}

}  // namespace postwain::qmgr
