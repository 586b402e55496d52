// What an outcome means for one recipient: the row's change and the event a sender may hear of.
// Pure.
//
// Only an explicit verdict of a peer (or of DNS) fails a recipient; everything else waits, until
// the lifetime is over. An attempt that never left our own processes is not counted.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/mail/broken_off.h"
#include "common/mail/next_hop.h"
#include "common/mail/outcome.h"

#include "qmgr/model/changes.h"
#include "qmgr/scheduling/scheduler.h"
#include "qmgr/verdicts/notice_plan.h"
#include "qmgr/verdicts/retry_policy.h"

namespace postwain::qmgr {

constexpr Duration kUnusedRetry = std::chrono::seconds(2);
// The n-th attempt that may have delivered is followed by the next one twice as late as after a
// plain failure, and at least by so many first steps of the schedule: 2, 4, 8 …, up to this. With
// the schedule of a mail store that are some 25 copies in five days at worst, instead of 1,440.
constexpr Duration kDoubtDelayMax = std::chrono::hours(8);
Duration doubt_delay(const std::vector<Duration>& delays, std::uint32_t attempts, Duration plain);

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
  std::uint32_t crashes = 0;          // agents in a row that died while they had it
  const LastOutcome* last = nullptr;  // of the attempt before; null: none is known
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

// The next hop takes no mail from the null reverse-path, which every server has to take (RFC 5321
// 4.5.5). That is a verdict on how reports travel, not on this one: it waits, where the operator
// sees it, until its lifetime is over.
bool is_null_sender_refused(const MessageInfo& message, const mail::Outcome& outcome);

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

// The waiting recipient was not tried, because mail of its sender, or to it, is broken off there
// again and again (suspects.h): it waits until then, with the words of its last outcome.
Verdict judge_put_off(const MessageInfo& message, const RecipientFacts& facts,
                      const LastOutcome& last, WallTime until, const RetryRules& rules,
                      WallTime now);
// The words of one that has never been tried. reason: of the last attempt that was broken off.
LastOutcome put_off_words(const std::string& reason, WallTime now);

// With whom of its message a recipient may be tried, by how its last attempt ended. alone: the
// session ended at it. fewer: it ended at another of them, so that those are tried in two parts,
// then four … few: it ended again and again, and nobody knows at whom.
enum class Company : std::uint8_t { any, alone, fewer, few };
Company company_of(const LastOutcome& last, std::uint32_t attempts, mail::HopKind kind);
// Into how many parts such a group is cut; 1: it stays together.
std::size_t parts_of(Company company, std::uint32_t attempts);
// Attempts that speak against it (Job::failures).
std::uint32_t failures_of(const LastOutcome* last, std::uint32_t attempts);

// What the notice says of it.
DsnRecipient details_of(const RecipientFacts& facts, const LastOutcome& last);

// What the outcomes of one lease tell about the destination.
class AttemptSummary {
 public:
  void add(const mail::Outcome& outcome, std::uint32_t index = 0);
  AttemptEnd end() const;
  // The one recipient at which it was broken off, if it was one.
  std::optional<std::uint32_t> broken_at() const {
    return broken_ == 1 ? std::optional(broken_at_) : std::nullopt;
  }

 private:
  bool unreachable_ = false;
  bool reached_ = false;
  std::size_t broken_ = 0;  // recipients
  std::uint32_t broken_at_ = 0;
};

}  // namespace postwain::qmgr
