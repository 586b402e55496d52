// Recipients whose end no next hop decides: those that are discarded on purpose, and those of whom
// it was known at the door that they cannot be had.
#include "common/log/log.h"

#include "qmgr/queue/queue.h"
#include "qmgr/store/decided.h"

namespace postwain::qmgr {

namespace {

mail::Outcome outcome_of(const mail::Reply& decided) {
  mail::Outcome outcome = mail::local_outcome(
      decided.positive() ? mail::Disposition::delivered : mail::Disposition::failed,
      mail::Stage::local, mail::Blame::recipient, decided.enhanced, decided.text);
  if (decided.positive()) outcome.remote_host = kDiscardHost;
  return outcome;
}

}  // namespace

// They are in the working set from now on, as if they were being tried: nobody else reads them. A
// store that cannot take their end leaves them ordinary recipients of the route they would have.
std::vector<std::uint32_t> Queue::take_decided(NewMessage& message, WallTime now) {
  std::vector<std::uint32_t> out;
  for (std::size_t i = 0; i < message.recipients.size(); ++i) {
    NewRecipient& from = message.recipients[i];
    if (from.recipient.decided.code == 0) continue;
    WorkingMessage& working = working_.get(message.info);
    working.packed = message.packed;
    WorkingRecipient r;
    r.index = static_cast<std::uint32_t>(i);
    r.recipient = std::move(from.recipient);
    r.destination = destination_named(from.destination);
    r.phase = RecipientPhase::leased;
    r.leased_at = now;
    r.count_key = from.count_key;
    scheduler_.pin(r.destination, 1);
    working_.add(working, std::move(r));
    out.push_back(static_cast<std::uint32_t>(i));
  }
  return out;
}

void Queue::settle_decided(mail::QueueId id, const std::vector<std::uint32_t>& indices) {
  WorkingMessage* message = working_.find(id);
  PW_CHECK(message != nullptr);
  std::vector<IndexedOutcome> outcomes;
  for (std::uint32_t index : indices)
    outcomes.push_back({index, outcome_of(message->find(index)->recipient.decided), false});
  settle(id, std::move(outcomes));
}

void Queue::discard(const Pick& pick) {
  const config::Origin& at = route_of(*working_.find(pick.job.id), pick.job).settings->origin;
  mail::Outcome outcome = outcome_of({250, {2, 0, 0}, "discarded by the route at " + at.text()});
  std::vector<IndexedOutcome> outcomes;
  AttemptSummary summary;
  for (std::uint32_t index : pick.job.recipients) {
    outcomes.push_back({index, outcome, false});
    summary.add(outcome);
  }
  settle(pick.job.id, std::move(outcomes));
  finished(pick, summary, {});
}

// What no next hop has said does not count as a word of one.
void Queue::count_outcome(const WorkingMessage& message, const WorkingRecipient& r,
                          const mail::Outcome& outcome, WallTime now) {
  if (is_discarded(outcome)) {
    ++metrics_.discarded;
    log::Line(log::Level::info, "discarded")
        .kv("id", message.info.id.text())
        .kv("to", r.recipient.address.text())
        .kv("from", message.info.envelope.reverse_path.text())
        .kv("reason", outcome.reply.text);
    return;
  }
  if (r.recipient.decided.code != 0) return;
  metrics_.outcome(pool_named(scheduler_.key(r.destination)), outcome, r.attempts == 0,
                   now - message.info.arrival.received_at, now - r.leased_at);
  if (hooks_.on_outcome) hooks_.on_outcome(r.recipient.address, outcome);
}

}  // namespace postwain::qmgr
