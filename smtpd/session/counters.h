// What the sessions of this process have done since qmgr was told last; for the metrics.
#pragma once

#include <utility>

#include "common/ipc/receiver_counts.h"

namespace postwain::smtpd {

class Counters {
 public:
  void add(ipc::Counted what, std::uint64_t count = 1) {
    numbers_[static_cast<std::size_t>(what)] += count;
  }
  ipc::ReceiverNumbers take() { return std::exchange(numbers_, {}); }

 private:
  ipc::ReceiverNumbers numbers_{};
};

}  // namespace postwain::smtpd
