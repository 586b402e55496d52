// Breakers of destinations and of MX sets (scheduler.h decides when one opens): kept in the store,
// so that a start does not begin by knocking at every dead host; and said in the log.
//
// Where several nodes share the queue they share the breakers, too (shared_breakers.h): one that
// another node has opened, held longer or closed is so here, and a trial begins when it is granted.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "qmgr/destinations/destinations.h"
#include "qmgr/verdicts/verdict.h"

namespace postwain::qmgr {

// Keeps the breakers where other nodes see them. Breakers are named by their keys in the store.
class BreakerSharing {
 public:
  virtual ~BreakerSharing() = default;
  // opens_it: it was closed before; else the hold begins anew.
  virtual void put(const OpenBreaker& breaker, bool opens_it) = 0;
  virtual void remove(const std::string& key) = 0;
  virtual void want_trials(const std::vector<std::string>& keys) = 0;
};

class Breakers {
 public:
  Breakers(QueueCore& core, Destinations& destinations)
      : core_(core), destinations_(destinations) {}

  // Before anything else; sharing outlives it.
  void share(BreakerSharing& sharing);
  // From the store, at the start. One to which nothing was sent for a day is removed: perhaps no
  // route leads there any more.
  void restore(const OpenBreaker& breaker);
  // The lease is over, all its recipients are settled. reason: of the last trouble there.
  void finished(const Pick& pick, const AttemptSummary& summary, const std::string& reason);
  // Tells which trials are wanted.
  void advance();
  // Of a breaker that is open; else empty.
  std::string reason_at(const std::string& destination) const;
  // The hosts behind a destination; empty where none are known.
  std::string reason_at_hosts(DestinationId id) const;

  // What other nodes have done.
  void opened_elsewhere(const OpenBreaker& breaker);
  void closed_elsewhere(const std::string& key);
  // Trials, as the scheduler has them (scheduler_trials.h).
  void grant_trial(const std::string& key);
  void refuse_trial(const std::string& key, WallTime again);
  void revoke_trial(const std::string& key);
  TrialUse trial_use(const std::string& key) const;

 private:
  void keep(const std::string& key, const DestinationHealth& health, const std::string& reason);
  void apply(const OpenBreaker& breaker);
  bool is_known(const OpenBreaker& breaker) const;
  void log_open(const OpenBreaker& breaker) const;
  void log_suspect(const Pick& pick, const HealthChange& changed, const WorkingMessage& message,
                   const WorkingRecipient* broken, const std::string& reason) const;
  void is_back(DestinationId id, const std::string& key);

  QueueCore& core_;
  Destinations& destinations_;
  BreakerSharing* sharing_ = nullptr;
  std::unordered_map<std::string, std::string> reasons_;  // by destination or MX set
};

}  // namespace postwain::qmgr
