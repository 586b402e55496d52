#include "qmgr/leaving/settling.h"

#include <algorithm>

#include "common/log/log.h"

#include "qmgr/leaving/settling_log.h"
#include "qmgr/store/decided.h"

namespace postwain::qmgr {

namespace {

Settlement settlement_of(const WorkingMessage& message) {
  Settlement settlement;
  settlement.id = message.info.id;
  settlement.in_file = message.info.in_file;
  settlement.is_compact = message.is_compact;
  return settlement;
}

RecipientChange removal_of(const WorkingRecipient& r) {
  RecipientChange change;
  change.index = r.index;
  change.kind = ChangeKind::remove;
  change.count_key = r.count_key;
  return change;
}

}  // namespace

Settling::Settling(QueueCore& core, const RetryTerms& terms, Notices& notices,
                   AfterCommit& after_commit)
    : core_(core),
      terms_(terms),
      notices_(notices),
      after_commit_(after_commit),
      batch_alarm_(core.clock.alarm()) {}

void Settling::settle(mail::QueueId id, std::vector<IndexedOutcome> outcomes,
                      const AttemptFacts& attempt) {
  WorkingMessage* message = core_.working.find(id);
  PW_CHECK(message != nullptr);
  WallTime now = core_.clock.wall();
  Settlement settlement = settlement_of(*message);
  for (IndexedOutcome& one : outcomes) settle_one(*message, one, attempt, now, settlement);
  settlement.maybe_all = settlement.changes.size() == message->recipients.size();
  submit_changes(*message, std::move(settlement));
}

void Settling::settle_one(WorkingMessage& message, IndexedOutcome& one, const AttemptFacts& attempt,
                          WallTime now, Settlement& settlement) {
  const MessageInfo& info = message.info;
  WorkingRecipient* r = message.find(one.index);
  PW_CHECK(r != nullptr && r->phase == RecipientPhase::leased);
  r->phase = RecipientPhase::settling;
  bool delivered = one.outcome.disposition == mail::Disposition::delivered;
  if (delivered) core_.recorder.reported_delivered(*r, one.outcome.dsn_passed_on);
  count_outcome(message, *r, one.outcome, now);
  if (delivered && !r->recipient.notify.on_success()) {
    // The usual case needs no rules and no notice.
    core_.recorder.delivered(info, *r, core_.scheduler.key(r->destination), one.outcome, attempt,
                             now);
    settlement.changes.push_back(removal_of(*r));
    return;
  }
  RecipientFacts facts = terms_.facts_of(*r);
  RetryRules rules = terms_.rules_for(info, r->recipient.address);
  if (is_null_sender_refused(info, one.outcome)) {
    log_null_sender_refused(info.id, facts, one.outcome);
    one.outcome.disposition = mail::Disposition::deferred;
  }
  bool unreadable = message.damaged && one.outcome.disposition == mail::Disposition::deferred;
  if (unreadable && one.held_for == nullptr) one.held_for = kHeldUnreadable;
  if (one.held_for != nullptr) {
    settlement.changes.push_back(hold(message, *r, one, rules, attempt, now));
    return;
  }
  Verdict verdict = one.crashed ? judge_crash(info, facts, one.outcome, rules, now)
                                : judge(info, facts, one.outcome, rules, now);
  verdict.change.count_key = r->count_key;
  if (verdict.change.kind == ChangeKind::quarantine) log_held(info.id, facts, verdict.change);
  core_.recorder.outcome(info, facts, one.outcome, verdict.change, rules, attempt, r->leased_at,
                         now);
  if (one.outcome.in_doubt) core_.recorder.keep_doubt(*r);
  if (!verdict.event) {
    settlement.changes.push_back(std::move(verdict.change));
    return;
  }
  LastOutcome last{now, one.outcome.stage, one.outcome.reply, one.outcome.remote_host};
  batch_.add(info.id, std::move(verdict.change),
             {one.index, *verdict.event, details_of(facts, last)}, core_.clock.mono());
}

RecipientChange Settling::hold(const WorkingMessage& message, const WorkingRecipient& r,
                               const IndexedOutcome& one, const RetryRules& rules,
                               const AttemptFacts& attempt, WallTime now) {
  RecipientFacts facts = terms_.facts_of(r);
  RecipientChange change = judge_undeliverable(facts, one.held_for, now).change;
  core_.recorder.outcome(message.info, facts, one.outcome, change, rules, attempt, r.leased_at,
                         now);
  log_held(message.info.id, facts, change);
  change.count_key = r.count_key;
  return change;
}

void Settling::settle_decided(mail::QueueId id, const std::vector<std::uint32_t>& indices) {
  WorkingMessage* message = core_.working.find(id);
  PW_CHECK(message != nullptr);
  std::vector<IndexedOutcome> outcomes;
  for (std::uint32_t index : indices)
    outcomes.push_back({index, outcome_of(message->find(index)->recipient.decided)});
  settle(id, std::move(outcomes));
}

// What no next hop has said does not count as a word of one.
void Settling::count_outcome(const WorkingMessage& message, const WorkingRecipient& r,
                             const mail::Outcome& outcome, WallTime now) {
  if (is_discarded(outcome)) {
    ++core_.metrics.discarded;
    return log_discarded(message.info, r.recipient.address, outcome);
  }
  if (r.recipient.decided.code != 0) return;
  core_.metrics.outcome(pool_named(core_.scheduler.key(r.destination)), outcome, r.attempts == 0,
                        now - message.info.arrival.received_at, now - r.leased_at);
  if (core_.hooks.on_outcome) core_.hooks.on_outcome(r.recipient.address, outcome);
}

// --- those that were not tried -----------------------------------------------------------------

void Settling::settle_untried(const std::function<std::string(const std::string&)>& reason_at) {
  WallTime now = core_.clock.wall();
  for (Pick& pick : core_.scheduler.take_milestones_due()) {
    settle_queued(pick.job, [&](const MessageInfo& info, const WorkingRecipient& r,
                                const RecipientFacts& facts) {
      LastOutcome last =
          r.last ? *r.last : untried_words(r, reason_at(core_.scheduler.key(r.destination)));
      RetryRules rules = terms_.rules_for(info, r.recipient.address);
      return Judged{judge_untried(info, facts, last, rules, now), last};
    });
  }
  for (PutOff& one : core_.scheduler.take_put_off()) {
    settle_queued(one.job, [&](const MessageInfo& info, const WorkingRecipient& r,
                               const RecipientFacts& facts) {
      LastOutcome last = r.last ? *r.last : put_off_words(one.reason, now);
      RetryRules rules = terms_.rules_for(info, r.recipient.address);
      return Judged{judge_put_off(info, facts, last, one.until, rules, now), last};
    });
  }
}

void Settling::settle_queued(const Job& job, const Judge& judge) {
  WorkingMessage* message = core_.working.find(job.id);
  PW_CHECK(message != nullptr);
  Settlement settlement = settlement_of(*message);
  for (std::uint32_t index : job.recipients) {
    WorkingRecipient* r = message->find(index);
    PW_CHECK(r != nullptr && r->phase == RecipientPhase::queued);
    r->phase = RecipientPhase::settling;
    RecipientFacts facts = terms_.facts_of(*r);
    Judged judged = judge(message->info, *r, facts);
    RecipientChange& change = judged.verdict.change;
    change.count_key = r->count_key;
    if (judged.verdict.event)
      batch_.add(job.id, std::move(change),
                 {index, *judged.verdict.event, details_of(facts, judged.last)},
                 core_.clock.mono());
    else
      settlement.changes.push_back(std::move(change));
  }
  submit_changes(*message, std::move(settlement));
}

LastOutcome Settling::untried_words(const WorkingRecipient& r, const std::string& reason) const {
  LastOutcome last;
  last.stage = mail::Stage::connect;
  last.reply.enhanced = {4, 4, 1};
  last.reply.text = core_.scheduler.is_suspended(r.destination)
                        ? "deliveries there are suspended by the operator"
                        : "the destination cannot be reached";
  if (!reason.empty()) last.reply.text += ": " + reason;
  return last;
}

// --- to the store --------------------------------------------------------------------------------

void Settling::submit_changes(const WorkingMessage& message, Settlement settlement) {
  if (!settlement.changes.empty()) submit(std::move(settlement), message.info, {}, false, nullptr);
  notify_if_complete(message);
}

void Settling::notify_if_complete(const WorkingMessage& message) {
  if (!batch_.holds(message.info.id)) return;
  auto under_way = [](const WorkingRecipient& r) { return r.phase != RecipientPhase::settling; };
  if (std::none_of(message.recipients.begin(), message.recipients.end(), under_way))
    return notify(message.info.id);
  if (!batch_alarm_->active())
    batch_alarm_->start(kBatchLook, [this] { notify_over(core_.clock.mono()); });
}

void Settling::notify(mail::QueueId id) {
  std::optional<BatchedNotice> batched = batch_.take(id);
  WorkingMessage* message = core_.working.find(id);
  PW_CHECK(batched && message != nullptr);  // who waits stays in the working set
  batched->settlement.in_file = message->info.in_file;
  batched->settlement.is_compact = message->is_compact;
  submit(std::move(batched->settlement), message->info, std::move(batched->events), false, nullptr);
}

void Settling::notify_over(MonoTime now) {
  for (mail::QueueId id : batch_.over(now)) notify(id);
  if (!batch_.empty()) batch_alarm_->start(kBatchLook, [this] { notify_over(core_.clock.mono()); });
}

void Settling::submit(Settlement settlement, const MessageInfo& info,
                      std::vector<RecipientEvent> events, bool urgent,
                      std::function<void(const Settled&)> done) {
  if (!events.empty()) {
    bool untold = ends_untold(info, core_.config.bounces.double_bounces);
    log_events(info, events, untold);
    for (const RecipientEvent& one : events)
      if (untold && (one.event == Event::failed || one.event == Event::expired))
        ++core_.metrics.dropped;
    core_.recorder.gave_up(info, events, untold);
    settlement.notices = notices_.orders_for(info, std::move(events));
    core_.recorder.told(info, settlement.notices, core_.clock.wall());
  }
  auto request = std::make_unique<SettleRequest>();
  request->settlement = std::move(settlement);
  request->urgent = urgent;
  request->done = [this, done = std::move(done)](SettleRequest& r) {
    after_commit_.settled(r);
    if (done) done(r.settled);
    core_.hooks.on_work();
  };
  core_.store.settle(std::move(request));
}

void Settling::finish() {
  notify_over(MonoTime::max());
  batch_alarm_->stop();
}

}  // namespace postwain::qmgr
