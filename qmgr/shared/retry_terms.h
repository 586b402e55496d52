// The terms on which a message is tried: how long, how often, when its sender is warned. They
// follow from the configuration, the route, and the time that was observed (observed_time.h). And
// what is known of a recipient before an outcome, from memory or from its row.
#pragma once

#include "qmgr/shared/queue_core.h"
#include "qmgr/verdicts/observed_time.h"
#include "qmgr/verdicts/verdict.h"

namespace postwain::qmgr {

class RetryTerms {
 public:
  // Both outlive it.
  RetryTerms(const QueueCore& core, const ObservedTime& observed)
      : core_(core), observed_(observed) {}

  RetryRules rules_for(const MessageInfo& info, const mail::Address& recipient) const;
  Lifetimes lifetimes_of(const MessageInfo& info) const;
  // When its sender is to be warned, or, where he was, when its lifetime is over.
  WallTime milestone_of(const MessageInfo& info, bool warned) const;

  // facts.last points into the argument, which has to outlive the facts.
  RecipientFacts facts_of(const WorkingRecipient& recipient) const;
  static RecipientFacts facts_of(const StoredRecipient& row);

 private:
  const QueueCore& core_;
  const ObservedTime& observed_;
};

}  // namespace postwain::qmgr
