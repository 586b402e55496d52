// From outcomes to the store and back: what became of recipients.
#include <algorithm>

#include "common/log/log.h"

#include "qmgr/model/held_domains.h"
#include "qmgr/queue/queue.h"
#include "qmgr/routing/expansion.h"
#include "qmgr/store/decided.h"
#include "qmgr/verdicts/gate.h"

namespace postwain::qmgr {

namespace {

bool is_changed(const Settled& settled, std::uint32_t index) {
  return std::find(settled.changed.begin(), settled.changed.end(), index) != settled.changed.end();
}

}  // namespace

std::optional<Pick> Queue::next(Pool pool) {
  for (;;) {
    std::optional<Pick> pick = scheduler_.next(pool, wall_now());
    if (!pick) return pick;
    lend(*pick);
    if (!is_discarding(scheduler_.key(pick->destination))) return pick;
    discard(*pick);
  }
}

void Queue::lend(const Pick& pick) {
  WallTime now = wall_now();
  WorkingMessage* message = working_.find(pick.job.id);
  PW_CHECK(message != nullptr);
  for (std::uint32_t index : pick.job.recipients) {
    WorkingRecipient* r = message->find(index);
    PW_CHECK(r != nullptr && r->phase == RecipientPhase::queued);
    r->phase = RecipientPhase::leased;
    recorder_->leased(message->info, *r, scheduler_.key(r->destination), now);
    if (!lent_before_.empty()) lent_before_.forget(pick.job.id, index);
  }
}

Routed Queue::route_of(WorkingMessage& message, const Job& job) {
  WorkingRecipient* first = message.find(job.recipients.front());
  PW_CHECK(first != nullptr);
  return router_->route(first->recipient.address, message.info.envelope.reverse_path);
}

bool Queue::is_suspect(const Pick& pick) {
  WorkingMessage* message = working_.find(pick.job.id);
  return message != nullptr &&
         std::any_of(pick.job.recipients.begin(), pick.job.recipients.end(), [&](auto index) {
           const WorkingRecipient* r = message->find(index);
           return r != nullptr && r->crashes >= kCrashesAlone;
         });
}

bool Queue::is_reachable(const std::string& destination) {
  if (!held_domains_.empty() && held_domains_.count(std::string(held_domain(destination))) > 0)
    return false;
  auto id = scheduler_.find(destination);
  return !id || (!scheduler_.is_suspended(*id) && scheduler_.health(*id).slots(wall_now()) > 0);
}

Pool Queue::pool_of(const Pick& pick) const {
  return pool_named(scheduler_.key(pick.destination));
}

RecipientFacts Queue::facts_of(const WorkingRecipient& r) const {
  return {r.index,     r.recipient,    scheduler_.key(r.destination), r.attempts,
          r.in_doubt,  r.delay_warned, greylisted_at(r.last.get()),   r.crashes,
          r.last.get()};
}

RetryRules Queue::rules_for(const MessageInfo& info, const mail::Address& recipient) const {
  Routed routed = router_->route(recipient, info.envelope.reverse_path);
  RetryRules rules;
  rules.lifetimes = lifetimes_of(info);
  rules.delays = routed.settings->store_schedule ? &config_.queue.retry_lmtp : &config_.queue.retry;
  rules.jitter = config_.queue.jitter;
  rules.hold_in_doubt = routed.settings->hold_in_doubt;
  rules.final_delivery = routed.hop.kind == mail::HopKind::lmtp;
  return rules;
}

void Queue::settle(mail::QueueId id, std::vector<IndexedOutcome> outcomes,
                   const mail::StageTimes& times) {
  WorkingMessage* message = working_.find(id);
  PW_CHECK(message != nullptr);
  WallTime now = wall_now();
  Settlement settlement;
  settlement.id = id;
  for (IndexedOutcome& one : outcomes) {
    WorkingRecipient* r = message->find(one.index);
    PW_CHECK(r != nullptr && r->phase == RecipientPhase::leased);
    r->phase = RecipientPhase::settling;
    if (one.outcome.disposition == mail::Disposition::delivered)
      recorder_->reported_delivered(*r, one.outcome.dsn_passed_on);
    count_outcome(*message, *r, one.outcome, now);
    bool plain_success = one.outcome.disposition == mail::Disposition::delivered &&
                         !r->recipient.notify.on_success();
    if (plain_success) {  // the usual case needs no rules and no notice
      recorder_->delivered(message->info, *r, scheduler_.key(r->destination), one.outcome, times,
                           now);
      settlement.changes.push_back(
          {one.index, ChangeKind::remove, r->count_key, {}, 0, {}, false, false, {}, 0});
      continue;
    }
    RecipientFacts facts = facts_of(*r);
    RetryRules rules = rules_for(message->info, r->recipient.address);
    if (is_null_sender_refused(message->info, one.outcome)) {
      log_null_sender_refused(id, facts, one.outcome);
      one.outcome.disposition = mail::Disposition::deferred;
    }
    bool unreadable = message->damaged && one.outcome.disposition == mail::Disposition::deferred;
    if (unreadable || one.held_for != nullptr) {
      const char* reason = one.held_for != nullptr ? one.held_for : kHeldUnreadable;
      RecipientChange hold = judge_undeliverable(facts, reason, now).change;
      recorder_->outcome(message->info, facts, one.outcome, hold, rules, times, r->leased_at, now);
      log_held(id, facts, hold);
      hold.count_key = r->count_key;
      settlement.changes.push_back(std::move(hold));
      continue;
    }
    Verdict verdict = one.crashed ? judge_crash(message->info, facts, one.outcome, rules, now)
                                  : judge(message->info, facts, one.outcome, rules, now);
    verdict.change.count_key = r->count_key;
    if (verdict.change.kind == ChangeKind::quarantine) log_held(id, facts, verdict.change);
    recorder_->outcome(message->info, facts, one.outcome, verdict.change, rules, times,
                       r->leased_at, now);
    if (one.outcome.in_doubt) recorder_->keep_doubt(*r);
    if (verdict.event) {
      LastOutcome last{now, one.outcome.stage, one.outcome.reply, one.outcome.remote_host};
      gather_.add(id, std::move(verdict.change),
                  {one.index, *verdict.event, details_of(facts, last)}, mono_now());
      continue;
    }
    settlement.changes.push_back(std::move(verdict.change));
  }
  settlement.maybe_all = settlement.changes.size() == message->recipients.size();
  settlement.in_file = message->info.in_file;
  settlement.packed = message->packed;
  if (!settlement.changes.empty()) submit(std::move(settlement), message->info, {}, false, nullptr);
  tell_if_complete(*message);
}

void Queue::tell_if_complete(const WorkingMessage& message) {
  if (!gather_.holds(message.info.id)) return;
  auto under_way = [](const WorkingRecipient& r) { return r.phase != RecipientPhase::settling; };
  if (std::none_of(message.recipients.begin(), message.recipients.end(), under_way))
    return tell(message.info.id);
  if (!gather_timer_.active())
    gather_timer_.start(kGatherLook, [this] { tell_the_waiting(mono_now()); });
}

void Queue::tell(mail::QueueId id) {
  std::optional<Gathered> gathered = gather_.take(id);
  WorkingMessage* message = working_.find(id);
  PW_CHECK(gathered && message != nullptr);  // who waits stays in the working set
  gathered->settlement.in_file = message->info.in_file;
  gathered->settlement.packed = message->packed;
  submit(std::move(gathered->settlement), message->info, std::move(gathered->events), false,
         nullptr);
}

void Queue::tell_the_waiting(MonoTime now) {
  for (mail::QueueId id : gather_.over(now)) tell(id);
  if (!gather_.empty()) gather_timer_.start(kGatherLook, [this] { tell_the_waiting(mono_now()); });
}

// Jobs behind an open breaker whose warning or expiry is due.
void Queue::milestones_due() {
  WallTime now = wall_now();
  for (Pick& pick : scheduler_.take_passed_over()) {
    WorkingMessage* message = working_.find(pick.job.id);
    PW_CHECK(message != nullptr);
    Settlement settlement;
    settlement.id = pick.job.id;
    settlement.in_file = message->info.in_file;
    for (std::uint32_t index : pick.job.recipients) {
      WorkingRecipient* r = message->find(index);
      PW_CHECK(r != nullptr && r->phase == RecipientPhase::queued);
      r->phase = RecipientPhase::settling;
      LastOutcome last = r->last ? *r->last : LastOutcome{};
      if (!r->last) {
        last.stage = mail::Stage::connect;
        last.reply.enhanced = {4, 4, 1};
        bool suspended = scheduler_.is_suspended(r->destination);
        last.reply.text = suspended ? "deliveries there are suspended by the operator"
                                    : "the destination cannot be reached";
        auto reason = breaker_reasons_.find(scheduler_.key(r->destination));
        if (reason != breaker_reasons_.end()) last.reply.text += ": " + reason->second;
      }
      RecipientFacts facts = facts_of(*r);
      Verdict verdict = judge_untried(message->info, facts, last,
                                      rules_for(message->info, r->recipient.address), now);
      verdict.change.count_key = r->count_key;
      if (verdict.event)
        gather_.add(pick.job.id, std::move(verdict.change),
                    {index, *verdict.event, details_of(facts, last)}, mono_now());
      else
        settlement.changes.push_back(std::move(verdict.change));
    }
    if (!settlement.changes.empty())
      submit(std::move(settlement), message->info, {}, false, nullptr);
    tell_if_complete(*message);
  }
}

// Jobs whose sender or recipient is under suspicion: their rows tell when and why.
void Queue::put_off() {
  WallTime now = wall_now();
  for (PutOff& one : scheduler_.take_put_off()) {
    WorkingMessage* message = working_.find(one.job.id);
    PW_CHECK(message != nullptr);
    Settlement settlement;
    settlement.id = one.job.id;
    settlement.in_file = message->info.in_file;
    for (std::uint32_t index : one.job.recipients) {
      WorkingRecipient* r = message->find(index);
      PW_CHECK(r != nullptr && r->phase == RecipientPhase::queued);
      r->phase = RecipientPhase::settling;
      RecipientFacts facts = facts_of(*r);
      LastOutcome last = r->last ? *r->last : put_off_words(one.reason, now);
      Verdict verdict = judge_put_off(message->info, facts, last, one.until,
                                      rules_for(message->info, r->recipient.address), now);
      verdict.change.count_key = r->count_key;
      if (verdict.event)
        gather_.add(one.job.id, std::move(verdict.change),
                    {index, *verdict.event, details_of(facts, last)}, mono_now());
      else
        settlement.changes.push_back(std::move(verdict.change));
    }
    if (!settlement.changes.empty())
      submit(std::move(settlement), message->info, {}, false, nullptr);
    tell_if_complete(*message);
  }
}

void Queue::submit(Settlement settlement, const MessageInfo& info,
                   std::vector<RecipientEvent> events, bool urgent,
                   std::function<void(const Settled&)> done) {
  if (!events.empty()) {
    log_events(info, events);
    bool untold = ends_untold(info, config_.bounces.double_bounces);
    for (const RecipientEvent& one : events)
      if (untold && (one.event == Event::failed || one.event == Event::expired)) ++metrics_.dropped;
    recorder_->gave_up(info, events, untold);
    settlement.notices = notices_for(info, std::move(events));
    recorder_->told(info, settlement.notices, wall_now());
  }
  auto request = std::make_unique<SettleRequest>();
  request->settlement = std::move(settlement);
  request->urgent = urgent;
  request->done = [this, done = std::move(done)](SettleRequest& r) { settled(r, done); };
  store_->settle(std::move(request));
}

void Queue::log_held(mail::QueueId id, const RecipientFacts& facts, const RecipientChange& change) {
  log::Line(log::Level::error, "held")
      .kv("id", id.text())
      .kv("to", facts.recipient.address.text())
      .kv("reason", change.last.reply.text);
}

void Queue::log_null_sender_refused(mail::QueueId id, const RecipientFacts& facts,
                                    const mail::Outcome& outcome) {
  log::Line(log::Level::warning, "null_sender_refused")
      .kv("id", id.text())
      .kv("to", facts.recipient.address.text())
      .kv("destination", facts.destination)
      .kv("reply", outcome.reply.one_line())
      .kv("reason",
          "no report of ours can leave by this next hop; it is tried until its lifetime "
          "is over");
}

NoticeSettings Queue::notice_settings(const MessageInfo& info) const {
  return {config_.hostname,
          config_.postmaster,
          lifetimes(config_.queue, info.envelope.reverse_path.is_null()).lifetime,
          config_.bounces.double_bounces,
          config_.bounces.original_max,
          config_.bounces.words,
          is_strangers(info.arrival, config_.access)};
}

std::vector<NoticeOrder> Queue::notices_for(const MessageInfo& info,
                                            std::vector<RecipientEvent> events) {
  NoticeSettings settings = notice_settings(info);
  std::vector<NoticeOrder> orders = plan_notices(info, std::move(events), settings, wall_now());
  if (settings.to_stranger) leave_out_beyond_limit(info, orders);
  give_notices_their_way(orders);
  return orders;
}

void Queue::leave_out_beyond_limit(const MessageInfo& info, std::vector<NoticeOrder>& orders) {
  std::size_t recipients = 0;
  std::erase_if(orders, [&](const NoticeOrder& order) {
    if (!is_success(order.request.action) || success_limit_.pass(order.request.to, mono_now()))
      return false;
    recipients += order.indices.size();
    return true;
  });
  if (recipients > 0)
    log::Line(log::Level::info, "report_left_out")
        .kv("id", info.id.text())
        .kv("from", info.envelope.reverse_path.text())
        .kv("recipients", recipients)
        .kv("reason", "too many reports of success in this hour");
}

void Queue::give_notices_their_way(std::vector<NoticeOrder>& orders) {
  for (NoticeOrder& order : orders) {
    order.request.id = next_id();
    for (mail::Address& to : readers_of(order.request.to, *rewriter_)) {
      if (!is_recipient(to)) {
        log::Line(log::Level::warning, "notice_has_no_reader").kv("to", to.text());
        continue;
      }
      std::string key = route(to, mail::Address()).key;
      order.recipients.push_back({{std::move(to), {}, {}}, std::move(key)});
    }
  }
  std::erase_if(orders, [](const NoticeOrder& order) { return order.recipients.empty(); });
}

void Queue::log_events(const MessageInfo& info, const std::vector<RecipientEvent>& events) const {
  bool untold = ends_untold(info, config_.bounces.double_bounces);
  for (const RecipientEvent& event : events) {
    std::string_view name;
    switch (event.event) {
      case Event::failed:
        name = untold ? "dropped" : "bounced";
        break;
      case Event::expired:
        name = untold ? "dropped" : "expired";
        break;
      case Event::delayed:
        name = "delayed";
        break;
      case Event::delivered:
      case Event::relayed:
      case Event::expanded:
        continue;  // the agent has logged it
    }
    log::Line(log::Level::info, name)
        .kv("id", info.id.text())
        .kv("to", event.details.recipient.address.text())
        .kv("from", info.envelope.reverse_path.text())
        .kv("reply", event.details.reply.one_line());
  }
}

// What is left over when we end before that is an orphan, which the next start removes.
void Queue::remove_file(mail::QueueId id) {
  if (keep_files_) return kept_files_.push_back(id);
  worker_->run(id, [files = files_, id]() -> ContentWorker::Completion {
    if (Status s = files.remove(id); !s)
      log::Line(log::Level::warning, "content_left").kv("error", s.error().text);
    return nullptr;
  });
}

void Queue::keep_files(bool keep) {
  keep_files_ = keep;
  if (keep || finishing_) return;
  for (mail::QueueId id : std::exchange(kept_files_, {})) remove_file(id);
}

void Queue::count(const SettleRequest& request) {
  mail::QueueId id = request.settlement.id;
  for (const RecipientChange& change : request.settlement.changes) {
    if (!is_changed(request.settled, change.index)) continue;
    QueueCounts::CountKey was = change.count_key;
    switch (change.kind) {
      case ChangeKind::remove:
        queue_counts_.removed(id, was);
        break;
      case ChangeKind::hold:
        queue_counts_.moved(id, was, QueueCounts::with_state(was, QueueState::held));
        break;
      case ChangeKind::release:
        queue_counts_.moved(
            id, was,
            QueueCounts::with_state(was, queue_state(RecipientState::waiting, change.attempts)));
        break;
      case ChangeKind::defer:
      case ChangeKind::quarantine:
        queue_counts_.moved(
            id, was,
            queue_counts_.count_key(change.destination, QueueCounts::class_of(was),
                                    change.kind == ChangeKind::defer
                                        ? queue_state(RecipientState::waiting, change.attempts)
                                        : QueueState::held));
        break;
    }
  }
  if (request.settled.message_removed) queue_counts_.removed_message(id);
}

// The commit is synced.
void Queue::settled(SettleRequest& request, const std::function<void(const Settled&)>& done) {
  WallTime now = wall_now();
  const Settlement& settlement = request.settlement;
  Settled& result = request.settled;
  if (!request.error.empty())
    log::Line(log::Level::error, "not_settled")
        .kv("id", settlement.id.text())
        .kv("error", request.error);
  std::vector<std::uint32_t> indices;
  std::vector<std::string> read_again;
  for (const RecipientChange& change : settlement.changes) {
    indices.push_back(change.index);
    bool changed = is_changed(result, change.index);
    if (finishing_) continue;
    bool waits = change.kind == ChangeKind::defer || change.kind == ChangeKind::release;
    if (waits && changed)
      scheduler_.due_at(destination_named(change.destination), change.next_attempt_at, now);
    // A settlement that was refused leaves the row as it is: it will be read again.
    if (!request.error.empty())
      if (WorkingMessage* m = working_.find(settlement.id))
        if (WorkingRecipient* r = m->find(change.index)) {
          scheduler_.read_again(r->destination, now + kNoRoomPause, now);
          read_again.push_back(scheduler_.key(r->destination));
        }
  }
  count(request);
  if (!read_again.empty()) normalise(settlement.id, std::move(read_again), WallTime{});
  if (WorkingMessage* message = working_.find(settlement.id)) {
    working_.remove(*message, indices, [&](WorkingRecipient& r) {
      recorder_->ended(r);
      scheduler_.unpin(r.destination, 1, now);
    });
    working_.forget_if_empty(settlement.id);
  }
  attempts_ended(settlement.id);
  if (result.message_removed) {
    log::Line(log::Level::info, "removed").kv("id", settlement.id.text());
    if (result.content_file_removed && !finishing_) remove_file(settlement.id);
  }
  for (const NoticeOrder& order : settlement.notices)
    if (!result.notices.empty()) metrics_.notice(order.request.action);
  for (NewMessage& notice : result.notices) {
    WallTime due = notice.info.arrival.received_at;
    committed(std::move(notice), due);
  }
  if (done) done(result);
  hooks_.on_work();
}

}  // namespace postwain::qmgr
