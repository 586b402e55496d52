// MTA-STS policies (RFC 8461) that the delivery clients have fetched: kept over restarts, lent with
// what goes to their domain.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "common/mail/next_hop.h"
#include "common/mail/sts_policy.h"

#include "qmgr/shared/queue_core.h"

namespace postwain::qmgr {

constexpr std::size_t kStsPoliciesKnown = 20'000;

class StsPolicies {
 public:
  explicit StsPolicies(QueueCore& core) : core_(core) {}

  // From the store, at the start.
  void restore(KnownStsPolicy known);
  void forget_old();
  // What a client fetched for the domain of this destination. What the store could not take is left
  // out: a client's word must not be what ends the queue manager.
  void keep(DestinationId id, const mail::StsPolicy& policy);
  // That of a next hop that is found by MX, while it is in force.
  std::optional<mail::StsPolicy> find(const mail::NextHop& hop) const;

 private:
  QueueCore& core_;
  std::unordered_map<std::string, mail::StsPolicy> policies_;  // by domain
};

}  // namespace postwain::qmgr
