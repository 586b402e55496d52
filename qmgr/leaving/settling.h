// From outcomes to the store: what became of recipients that are in memory. The rules judge each
// (verdict.h), those whose sender is to hear of it wait a moment for each other (notice_batch.h),
// and nothing is said to anybody before the commit.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "qmgr/entering/notices.h"
#include "qmgr/leaving/after_commit.h"
#include "qmgr/model/attempt_facts.h"
#include "qmgr/shared/retry_terms.h"
#include "qmgr/verdicts/notice_batch.h"

namespace postwain::qmgr {

// The outcome of one recipient of a lease.
struct IndexedOutcome {
  std::uint32_t index = 0;
  mail::Outcome outcome;
  bool crashed = false;  // the agent died: nobody gave this outcome
  // Not null: it cannot be delivered from here, whoever tries; held, and this is why.
  const char* held_for = nullptr;
};

class Settling {
 public:
  Settling(QueueCore& core, const RetryTerms& terms, Notices& notices, AfterCommit& after_commit);

  // The outcomes of some recipients of a lease, each recipient at most once. attempt: what
  // is known of it so far.
  void settle(mail::QueueId id, std::vector<IndexedOutcome> outcomes,
              const AttemptFacts& attempt = {});
  // Recipients whose end no next hop decides (Recipient::decided), leased.
  void settle_decided(mail::QueueId id, const std::vector<std::uint32_t>& indices);
  // Queued ones whose warning or expiry is due behind an open breaker, or whose sender or recipient
  // is under suspicion: their rows tell when they are tried, and why. reason_at: why a destination
  // cannot be reached; may be empty.
  void settle_untried(const std::function<std::string(const std::string&)>& reason_at);

  // events are told to the sender; done is called after the commit.
  void submit(Settlement settlement, const MessageInfo& info, std::vector<RecipientEvent> events,
              bool urgent, std::function<void(const Settled&)> done);
  // Whoever waits for others is told of now. The end.
  void finish();

 private:
  struct Judged {
    Verdict verdict;
    LastOutcome last;  // for the notice
  };
  using Judge =
      std::function<Judged(const MessageInfo&, const WorkingRecipient&, const RecipientFacts&)>;

  void settle_one(WorkingMessage& message, IndexedOutcome& one, const AttemptFacts& attempt,
                  WallTime now, Settlement& settlement);
  RecipientChange hold(const WorkingMessage& message, const WorkingRecipient& r,
                       const IndexedOutcome& one, const RetryRules& rules,
                       const AttemptFacts& attempt, WallTime now);
  void settle_queued(const Job& job, const Judge& judge);
  void count_outcome(const WorkingMessage& message, const WorkingRecipient& r,
                     const mail::Outcome& outcome, WallTime now);
  LastOutcome untried_words(const WorkingRecipient& r, const std::string& reason) const;
  void submit_changes(const WorkingMessage& message, Settlement settlement);
  void notify_if_complete(const WorkingMessage& message);
  void notify(mail::QueueId id);
  void notify_over(MonoTime now);

  QueueCore& core_;
  const RetryTerms& terms_;
  Notices& notices_;
  AfterCommit& after_commit_;
  NoticeBatch batch_;
  std::unique_ptr<Alarm> batch_alarm_;
};

}  // namespace postwain::qmgr
