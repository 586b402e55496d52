#include "qmgr/queue/queue_totals.h"

#include <utility>

#include "qmgr/store/queue_walk.h"

namespace postwain::qmgr {

void QueueTotals::start(mail::QueueId last) {
  core_.counts.start(last);
  count_next();
}

void QueueTotals::count_next() {
  if (core_.counts.complete() || core_.finishing) return;
  struct Window {
    Counts counts;
    StoreResult<std::optional<mail::QueueId>> end = std::optional<mail::QueueId>();
  };
  read_then(
      core_.store,
      [after = core_.counts.cursor(), last = core_.counts.last()](QueueStore& store) {
        Window window;
        window.end = QueueWalk(store).count(after, last, kCountMessages, window.counts);
        return window;
      },
      [this](const Window& window) {
        if (!window.end) return core_.hooks.on_broken(window.end.error());
        if (*window.end)
          core_.counts.counted(**window.end, window.counts);
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
