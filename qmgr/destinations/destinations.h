// From a recipient to its destination: the route of the configuration, split off where the domain
// is suspended, and its place in the scheduler.
#pragma once

#include <string>

#include "qmgr/destinations/mx_sets.h"
#include "qmgr/destinations/split_domains.h"
#include "qmgr/shared/queue_core.h"

namespace postwain::qmgr {

// The kind of agent that serves a destination.
Pool pool_named(const std::string& key);

class Destinations {
 public:
  Destinations(QueueCore& core, SplitDomains& split, MxSets& mx_sets)
      : core_(core), split_(split), mx_sets_(mx_sets) {}

  // With the destination of its own where the recipient's domain is suspended (split_domains.h).
  Routed route(const mail::Address& recipient, const mail::Address& sender,
               const std::string& client = {}) const;
  // Its number in the scheduler, with the settings of the route.
  DestinationId number_of(const Routed& routed);
  // That of a destination of which only the name is known yet; its settings come with the first
  // recipient.
  DestinationId number_of(const std::string& key);
  // A destination that was split off for a suspended domain.
  bool is_split_off(DestinationId id) const;
  bool any_split_off() const { return !split_.empty(); }
  // Of the configuration, without suspensions; until the next reload.
  const Router& router() const { return *core_.router; }

 private:
  void keep_held(DestinationId id, const std::string& key);

  QueueCore& core_;
  SplitDomains& split_;
  MxSets& mx_sets_;
};

}  // namespace postwain::qmgr
