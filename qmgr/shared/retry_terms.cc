#include "qmgr/shared/retry_terms.h"

namespace postwain::qmgr {

RetryRules RetryTerms::rules_for(const MessageInfo& info, const mail::Address& recipient) const {
  const config::Queue& queue = core_.config.queue;
  Routed routed =
      core_.router->route(recipient, info.envelope.reverse_path, info.arrival.client_address);
  RetryRules rules;
  rules.lifetimes = lifetimes_of(info);
  rules.delays = routed.settings->mailbox_schedule ? &queue.retry_lmtp : &queue.retry;
  rules.jitter = queue.jitter;
  rules.hold_in_doubt = routed.settings->hold_in_doubt;
  rules.final_delivery = routed.hop.kind == mail::HopKind::lmtp;
  return rules;
}

Lifetimes RetryTerms::lifetimes_of(const MessageInfo& info) const {
  return extended(lifetimes(core_.config.queue, info.envelope.reverse_path.is_null()),
                  observed_.unobserved_since(info.arrival.received_at));
}

WallTime RetryTerms::milestone_of(const MessageInfo& info, bool warned) const {
  return next_milestone(lifetimes_of(info), info.arrival.received_at, warned);
}

RecipientFacts RetryTerms::facts_of(const WorkingRecipient& r) const {
  return {r.index,     r.recipient,    core_.scheduler.key(r.destination), r.attempts,
          r.in_doubt,  r.delay_warned, greylisted_at(r.last.get()),        r.crashes,
          r.last.get()};
}

RecipientFacts RetryTerms::facts_of(const StoredRecipient& row) {
  return {row.index,    row.recipient,    row.destination,          row.attempts,
          row.in_doubt, row.delay_warned, greylisted_at(&row.last), row.crashes,
          &row.last};
}

}  // namespace postwain::qmgr
