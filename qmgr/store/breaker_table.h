// The breakers that several nodes share: who finds a destination out of reach writes that down,
// and all others leave it alone, too. Times are told as durations from now, by the database's
// clock, so that the clocks of two nodes are never compared.
//
// Values only. The keeper's thread alone uses it (keeper_service.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/base/time.h"

#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

struct SharedBreaker {
  std::string key;          // of the table destination
  std::uint32_t opens = 0;  // 0: it is closed
  Duration open_for{};      // since it opened
  Duration hold_for{};      // until the next trial; below 0: that is due
  std::string reason;
  std::int64_t changed = 0;  // the number of this state; each later one has a higher number
};

struct BreakerWrite {
  SharedBreaker breaker;  // `changed` counts for nothing
  bool opens_it =
      false;  // a new outage; else nothing is written where it has been closed meanwhile
};

// From where on changes are read. What is written at the same time by others may become visible
// later than what has a higher number, so reading begins some seconds before the last time.
struct BreakerCursor {
  std::int64_t changed = 0;
  std::string key;
};

class BreakerTable {
 public:
  virtual ~BreakerTable() = default;

  // All of them or none. Of two nodes that open it the longer hold counts.
  virtual StoreStatus write(std::span<const BreakerWrite> breakers) = 0;

  struct Page {
    std::vector<SharedBreaker> changed;  // closed ones, too
    BreakerCursor next;                  // from where to go on
    bool more = false;                   // at once
  };
  virtual StoreResult<Page> changes(const BreakerCursor& from) = 0;

  // The trials of these breakers. One is granted where its state is `changed`, and no other node
  // that lives has it; it is this node's then until end_trials(), or until the node's term ends.
  struct Wish {
    std::string key;
    std::int64_t changed = 0;
  };
  struct Trials {
    std::vector<std::string> granted;
    std::vector<SharedBreaker> states;  // of those that were asked for and are known
  };
  virtual StoreResult<Trials> begin_trials(std::span<const Wish> wishes) = 0;
  virtual StoreStatus end_trials(std::span<const std::string> keys) = 0;

  // Closed ones are remembered for as long as a node may not have heard of it, and open ones for a
  // day after the last attempt.
  virtual StoreStatus forget_old() = 0;
};

}  // namespace postwain::qmgr
