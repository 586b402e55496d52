// What goes out to the agents and what comes back from them: picks of the scheduler become leases,
// and a lease ends with its outcomes (settling.h) and with what it told of its destination.
#pragma once

#include <optional>
#include <string>

#include "qmgr/destinations/breakers.h"
#include "qmgr/leaving/settling.h"
#include "qmgr/verdicts/lent_before.h"

namespace postwain::qmgr {

class Leasing {
 public:
  Leasing(QueueCore& core, Settling& settling, Breakers& breakers)
      : core_(core), settling_(settling), breakers_(breakers) {}

  // The recipients of a lease are in place, leased, until their outcomes are settled. What a route
  // discards is settled here and never becomes a lease.
  std::optional<Pick> next(Pool pool);
  WorkingMessage* find(mail::QueueId id) { return core_.working.find(id); }
  Routed route_of(WorkingMessage& message, const Job& job) const;
  // Agents have died while they had it; it is to be tried alone.
  bool is_suspect(const Pick& pick) const;
  Pool pool_of(const Pick& pick) const;
  void settle(mail::QueueId id, std::vector<IndexedOutcome> outcomes,
              const AttemptFacts& attempt = {}) {
    settling_.settle(id, std::move(outcomes), attempt);
  }
  // The lease is over, all its recipients are settled.
  void finished(const Pick& pick, const AttemptSummary& summary, const std::string& reason) {
    breakers_.finished(pick, summary, reason);
  }
  // The content cannot be read: its recipients are held when their attempts end.
  void mark_damaged(mail::QueueId id);
  // Leases the connected agents of a kind can have.
  void set_capacity(Pool pool, std::size_t leases) { core_.scheduler.set_capacity(pool, leases); }
  // Messages that are under way on one connection there (scheduler.h).
  void note_flight(DestinationId id, std::uint32_t messages) {
    core_.scheduler.note_flight(id, messages);
  }
  // Rates of destinations that several nodes share (scheduler.h).
  DestinationRates& rates() { return core_.scheduler.rates(); }
  // What a former qmgr had leased, and what agents had whose connection was lost.
  LentBefore& lent_before() { return lent_before_; }

 private:
  void lease(const Pick& pick);
  void discard(const Pick& pick);

  QueueCore& core_;
  Settling& settling_;
  Breakers& breakers_;
  LentBefore lent_before_;
};

}  // namespace postwain::qmgr
