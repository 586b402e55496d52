// How many recipients of this node's bags are in doubt, for those who watch it: counted in the
// store from time to time, because most of them are not in memory.
#pragma once

#include <cstddef>

#include "common/base/time.h"

#include "qmgr/store/store_service.h"

namespace postwain::qmgr {

class DoubtCount {
 public:
  explicit DoubtCount(StoreService& store) : store_(store) {}

  // Counts anew where the last count is old.
  void look(MonoTime now);
  // As they were counted last, at most kDoubtsCounted.
  std::size_t count() const { return count_; }

 private:
  StoreService& store_;
  std::size_t count_ = 0;
  bool counting_ = false;
  MonoTime next_{};
};

}  // namespace postwain::qmgr
