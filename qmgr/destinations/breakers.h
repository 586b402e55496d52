// Breakers of destinations and of MX sets (scheduler.h decides when one opens): kept in the store,
// so that a start does not begin by knocking at every dead host; and said in the log.
#pragma once

#include <string>
#include <unordered_map>

#include "qmgr/destinations/destinations.h"
#include "qmgr/verdicts/verdict.h"

namespace postwain::qmgr {

class Breakers {
 public:
  Breakers(QueueCore& core, Destinations& destinations)
      : core_(core), destinations_(destinations) {}

  // From the store, at the start. One to which nothing was sent for a day is removed: perhaps no
  // route leads there any more.
  void restore(const OpenBreaker& breaker);
  // The lease is over, all its recipients are settled. reason: of the last trouble there.
  void finished(const Pick& pick, const AttemptSummary& summary, const std::string& reason);
  // Of a breaker that is open; else empty.
  std::string reason_at(const std::string& destination) const;
  // The hosts behind a destination; empty where none are known.
  std::string reason_at_hosts(DestinationId id) const;

 private:
  void keep(const std::string& key, const DestinationHealth& health, const std::string& reason);
  void log_suspect(const Pick& pick, const HealthChange& changed, const WorkingMessage& message,
                   const WorkingRecipient* broken, const std::string& reason) const;
  void is_back(DestinationId id, const std::string& key);

  QueueCore& core_;
  Destinations& destinations_;
  std::unordered_map<std::string, std::string> reasons_;  // by destination or MX set
};

}  // namespace postwain::qmgr
