#include "qmgr/nodes/doubt_count.h"

#include "qmgr/model/cluster_view.h"
#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

namespace {

constexpr Duration kCountAgain = std::chrono::seconds(10);

}  // namespace

void DoubtCount::look(MonoTime now) {
  if (counting_ || now < next_) return;
  counting_ = true;
  next_ = now + kCountAgain;
  read_then(
      store_, [](QueueStore& store) { return store.scan().in_doubt(kDoubtsCounted); },
      [this](const StoreResult<std::size_t>& counted) {
        counting_ = false;
        if (counted) count_ = *counted;
      });
}

}  // namespace postwain::qmgr
