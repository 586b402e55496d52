// Reports about recipients that are not in memory: what agents tell of the leases of a former qmgr,
// and what the attempt journal knows at the start. Meanwhile such recipients are blocked.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "qmgr/leaving/settling.h"
#include "qmgr/shared/blocked_recipients.h"
#include "qmgr/shared/retry_terms.h"

namespace postwain::qmgr {

constexpr std::uint32_t kOutsideRecipients = 10000;  // of a message that is not in memory

class LateOutcomes {
 public:
  // Called for a message of which recipients were unblocked.
  using AttemptsEnded = std::function<void(mail::QueueId)>;
  LateOutcomes(QueueCore& core, Destinations& destinations, const RetryTerms& terms,
               PutBack& put_back, Settling& settling, BlockedRecipients& blocked,
               AttemptsEnded attempts_ended)
      : core_(core),
        destinations_(destinations),
        terms_(terms),
        put_back_(put_back),
        settling_(settling),
        blocked_(blocked),
        attempts_ended_(std::move(attempts_ended)) {}

  // Not to be leased until unblock: refills skip them, and they leave the scheduler if they are
  // queued there. One that is leased or being settled stays what it is.
  void block(mail::QueueId id, const std::vector<std::uint32_t>& indices);
  void unblock(mail::QueueId id, const std::vector<std::uint32_t>& indices);
  void settle(mail::QueueId id, std::vector<IndexedOutcome> outcomes) {
    settle(id, std::move(outcomes), Who::agent);
  }
  // The same, told by the node that had the message before: it counts for those only who are in
  // doubt.
  void settle_told(mail::QueueId id, std::vector<IndexedOutcome> outcomes) {
    settle(id, std::move(outcomes), Who::other_node);
  }

 private:
  enum class Who : std::uint8_t { agent, other_node };
  void settle(mail::QueueId id, std::vector<IndexedOutcome> outcomes, Who who);
  void apply(const StoredMessage& message, const std::vector<IndexedOutcome>& outcomes, Who who,
             std::function<void()> done);

  QueueCore& core_;
  Destinations& destinations_;
  const RetryTerms& terms_;
  PutBack& put_back_;
  Settling& settling_;
  BlockedRecipients& blocked_;
  AttemptsEnded attempts_ended_;
};

}  // namespace postwain::qmgr
