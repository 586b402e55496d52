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
  std::uint32_t crashes = 0;  // agents in a row that died while they had it
};

// Of the outcome a recipient had before, as far as it is known.
std::optional<WallTime> greylisted_at(const LastOutcome* last);

struct RetryRules {
  Lifetimes lifetimes;
  const std::vector<Duration>* delays = nullptr;
  double jitter = 0;
  bool final_delivery = false;  // the next hop is a mail store (LMTP)
  bool hold_in_doubt =
      false;  // whoever may have the message is not sent it again without an operator
};

struct Verdict {
  RecipientChange change;
  std::optional<Event> event;
};

Verdict judge(const MessageInfo& message, const RecipientFacts& facts, const mail::Outcome& outcome,
              const RetryRules& rules, WallTime now);

// The agent died in the middle of the attempt. Perhaps because of this message: after kCrashesAlone
// such deaths in a row it is tried with no other beside it, so that none is dragged along, and
// after kCrashesHeld it is held for an operator. Any attempt that ends otherwise clears the count.
constexpr std::uint32_t kCrashesAlone = 2;
constexpr std::uint32_t kCrashesHeld = 4;
Verdict judge_crash(const MessageInfo& message, const RecipientFacts& facts,
                    const mail::Outcome& outcome, const RetryRules& rules, WallTime now);

// What is queued cannot be handed to any agent: our own store has lost the content or cannot read
// it, or the attempt does not fit into a frame. Nobody can deliver it, and nobody may say that a
// peer refused it. Held, with the reason.
constexpr const char* kHeldUnreadable =
    "held: the content of the message is missing or cannot be read";
constexpr const char* kHeldTooLarge =
    "held: envelope and next hop are too large to be handed to a delivery process";
Verdict judge_undeliverable(const RecipientFacts& facts, const char* reason, WallTime now);

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
