// How many leases may go to a destination in a time, where its route says so (`rate`,
// `drain_rate`). Pure; told the time.
//
// On one machine a destination counts for itself and for its MX set, and the later of the two
// holds. Where several nodes share the queue there is one sequence of steps for all of them, in
// SharedRates: that of the MX set, where it is known, else that of the destination. A set is named
// by its sorted hosts, which every node finds alike. Its members may have different rates; then the
// slowest of those that have something to send holds for all, since a sequence has one rate.
//
// What a node has counted while it was alone bars it until that is due, and it goes on counting
// while the rate is shared, so no change between the two makes anything faster here.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/time.h"

#include "qmgr/scheduling/lease_pace.h"
#include "qmgr/scheduling/scheduler_limits.h"
#include "qmgr/scheduling/shared_rates.h"

namespace postwain::qmgr {

class DestinationRates {
 public:
  // For the outside. Rates outlives this; null: each node counts for itself. What changes by either
  // call is looked at in the next Scheduler::advance().
  void share(SharedRates* rates) { rates_ = rates; }
  void changed() { changed_ = true; }  // more may be known of steps that were asked for

  // When a lease is allowed again, as far as is known; nothing: it is now, unless ask() says
  // otherwise. set: null where it is not known.
  std::optional<WallTime> due(const DestinationPace& own, const MxSet* set, const LeaseRate& rate,
                              WallTime now) const;
  // A lease would go now, if this is true. Else due() says when to ask again.
  bool ask(DestinationId id, const std::string& key, DestinationPace& own, const MxSet* set,
           const LeaseRate& rate, WallTime now);
  // It goes.
  void take(const std::string& key, DestinationPace& own, MxSet* set, const LeaseRate& rate,
            WallTime now);
  // rate: that of a member of the set which has something to send; none where it has nothing. True:
  // another rate holds for the set from now on, and all its members have to look.
  bool count(DestinationPace& own, MxSet& set, const LeaseRate& rate);
  // The destination gets another set, or none.
  static void leave(DestinationPace& own, MxSet& set);
  void forget(DestinationId id) { waiting_.erase(id); }

  // Who has to look, since the last call.
  struct News {
    bool all = false;  // other nodes have come, or are gone
    std::vector<DestinationId> some;
  };
  News take_news();

 private:
  bool is_shared() const { return rates_ != nullptr && rates_->is_shared(); }

  SharedRates* rates_ = nullptr;
  bool was_shared_ = false;
  bool changed_ = false;
  std::set<DestinationId> waiting_;  // for a step of which nothing is known
};

}  // namespace postwain::qmgr
