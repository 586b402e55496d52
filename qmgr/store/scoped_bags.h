// For as long as it lives, scans of a store read these bags alone. Where the store is not shared,
// or no bags are given, it does nothing.
#pragma once

#include <cstdint>
#include <optional>

#include "qmgr/store/queue_store.h"
#include "qmgr/store/shared_queue.h"

namespace postwain::qmgr {

class ScopedBags {
 public:
  ScopedBags(QueueStore& store, std::optional<std::uint64_t> bags)
      : shared_(bags ? store.shared() : nullptr) {
    if (shared_ != nullptr) shared_->look_only_at(bags);
  }
  ~ScopedBags() {
    if (shared_ != nullptr) shared_->look_only_at(std::nullopt);
  }
  ScopedBags(const ScopedBags&) = delete;
  ScopedBags& operator=(const ScopedBags&) = delete;

 private:
  SharedQueue* shared_;
};

}  // namespace postwain::qmgr
