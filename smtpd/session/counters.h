// What the sessions of this process have done since qmgr was told last; for the metrics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "common/ipc/receiver_counts.h"
#include "smtpd/acceptance/policy.h"

namespace postwain::smtpd {

// How the worth of a rewritten sender is counted; nothing: the recipient was none.
constexpr std::optional<ipc::Counted> counted_as(SrsReturn worth) {
  switch (worth) {
    case SrsReturn::taken:
      return ipc::Counted::srs_taken;
    case SrsReturn::expired:
      return ipc::Counted::srs_expired;
    case SrsReturn::forged:
      return ipc::Counted::srs_forged;
    case SrsReturn::no_notice:
      return ipc::Counted::srs_no_notice;
    case SrsReturn::none:
      break;
  }
  return std::nullopt;
}

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
