// What an outcome means for one recipient: the row's change and the event a sender may hear of.
// Pure.
//
// Only an explicit verdict of a peer (or of DNS) fails a recipient; everything else waits, until
// the lifetime is over. An attempt that never left our own processes is not counted.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/mail/outcome.h"

#include "qmgr/changes.h"
#include "qmgr/notice_plan.h"
#include "qmgr/retry_policy.h"
#include "qmgr/scheduler.h"

namespace postwain::qmgr {

constexpr Duration kUnusedRetry = std::chrono::seconds(2);

// What is known of a recipient before the outcome.
struct RecipientFacts {
  std::uint32_t index = 0;
  mail::Recipient recipient;
  std::string destination;
  std::uint32_t attempts = 0;
  bool in_doubt = false;
  bool delay_warned = false;
  // When the attempt before was answered, if that was greylisting (retry_policy.h).
  std::optional<WallTime> greylisted_at;
};

// Of the outcome a recipient had before, as far as it is known.
std::optional<WallTime> greylisted_at(const LastOutcome* last);

struct RetryRules {
  Lifetimes lifetimes;
  const std::vector<Duration>* delays = nullptr;
  double jitter = 0;
  bool final_delivery = false;  // the next hop is a mail store (LMTP)
};

struct Verdict {
  RecipientChange change;
  std::optional<Event> event;
};

Verdict judge(const MessageInfo& message, const RecipientFacts& facts, const mail::Outcome& outcome,
              const RetryRules& rules, WallTime now);

// The waiting recipient was never tried, because its destination is held by a breaker, and now its
// milestone has come: warn or give up, with the words of the last outcome.
Verdict judge_untried(const MessageInfo& message, const RecipientFacts& facts,
                      const LastOutcome& last, const RetryRules& rules, WallTime now);

// What the notice says of it.
DsnRecipient details_of(const RecipientFacts& facts, const LastOutcome& last);

// What the outcomes of one lease tell about the destination.
class AttemptSummary {
 public:
  void add(const mail::Outcome& outcome);
  AttemptEnd end() const;

 private:
  bool unreachable_ = false;
  bool reached_ = false;
};

}  // namespace postwain::qmgr
