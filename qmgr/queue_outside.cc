// Changes that do not come from a running lease: late outcomes of a former qmgr's leases, and what
// operators ask for.
#include <algorithm>

#include "common/log/log.h"

#include "qmgr/queue.h"

namespace postwain::qmgr {

namespace {

const WorkingRecipient* in_memory(WorkingSet& working, mail::QueueId id, std::uint32_t index) {
  WorkingMessage* message = working.find(id);
  return message != nullptr ? message->find(index) : nullptr;
}

HistoryKind history_kind(Action action) {
  switch (action) {
    case Action::retry:
      return HistoryKind::retried;
    case Action::cancel:
      return HistoryKind::cancelled;
    case Action::hold:
      return HistoryKind::held;
    case Action::release:
      return HistoryKind::released;
    case Action::bounce:
      break;
  }
  return HistoryKind::returned;
}

}  // namespace

// A blocked recipient is skipped by refills, and leaves the scheduler if it is queued there. One
// that is lent or being settled stays what it is.
void Queue::block(mail::QueueId id, const std::vector<std::uint32_t>& indices) {
  if (indices.empty()) return;
  blocked_[id].insert(indices.begin(), indices.end());
  WorkingMessage* message = working_.find(id);
  if (message == nullptr) return;
  WallTime now = wall_now();
  std::set<DestinationId> touched;
  for (std::uint32_t index : indices)
    if (WorkingRecipient* r = message->find(index); r != nullptr && r->place == Place::queued)
      touched.insert(r->destination);
  // Jobs come out whole; who of them is not blocked is read again.
  std::vector<std::uint32_t> out;
  for (const WorkingRecipient& r : message->recipients)
    if (r.place == Place::queued && touched.count(r.destination) > 0) out.push_back(r.index);
  for (DestinationId destination : touched) {
    scheduler_.withdraw(destination, id, now);
    scheduler_.due_at(destination, now, now);
  }
  working_.remove(*message, out,
                  [&](WorkingRecipient& r) { scheduler_.unpin(r.destination, 1, now); });
  working_.forget_if_empty(id);
}

void Queue::unblock(mail::QueueId id, const std::vector<std::uint32_t>& indices) {
  auto found = blocked_.find(id);
  if (found == blocked_.end()) return;
  for (std::uint32_t index : indices) found->second.erase(index);
  if (found->second.empty()) blocked_.erase(found);
  // Their destinations are not known here; the rows tell, if they are still there.
  store_->read([this, id](Store& store) -> StoreThread::Completion {
    auto message = std::make_shared<Result<std::optional<StoredMessage>>>(
        store.message(id, 0, kOutsideRecipients));
    return [this, message] {
      if (finishing_ || !*message || !**message) return;
      WallTime now = wall_now();
      for (const StoredRecipient& r : (**message)->recipients)
        if (r.state == RecipientState::waiting)
          scheduler_.due_at(destination_named(r.destination), r.next_attempt_at, now);
      hooks_.on_work();
    };
  });
}

void Queue::settle_late(mail::QueueId id, std::vector<IndexedOutcome> outcomes) {
  std::vector<std::uint32_t> indices;
  for (const IndexedOutcome& one : outcomes) indices.push_back(one.index);
  block(id, indices);
  auto reports = std::make_shared<std::vector<IndexedOutcome>>(std::move(outcomes));
  store_->read([this, id, reports, indices](Store& store) -> StoreThread::Completion {
    auto found = std::make_shared<Result<std::optional<StoredMessage>>>(
        store.message(id, 0, kOutsideRecipients));
    return [this, id, found, reports, indices] {
      if (!*found) return hooks_.on_broken(found->error());
      if (!**found) return unblock(id, indices);
      apply_late(***found, *reports, [this, id, indices] { unblock(id, indices); });
    };
  });
}

void Queue::apply_late(const StoredMessage& message, const std::vector<IndexedOutcome>& outcomes,
                       std::function<void()> done) {
  WallTime now = wall_now();
  Settlement settlement;
  settlement.id = message.info.id;
  std::vector<RecipientEvent> events;
  for (const StoredRecipient& row : message.recipients) {
    auto report = std::find_if(outcomes.begin(), outcomes.end(),
                               [&](const IndexedOutcome& o) { return o.index == row.index; });
    // Lent again already: that lease's own outcome counts.
    if (report == outcomes.end() || in_memory(working_, message.info.id, row.index) != nullptr)
      continue;
    RecipientFacts facts{row.index,    row.recipient,    row.destination,          row.attempts,
                         row.in_doubt, row.delay_warned, greylisted_at(&row.last), row.crashes};
    RetryRules rules = rules_for(message.info, row.recipient.address);
    Verdict verdict = judge(message.info, facts, report->outcome, rules, now);
    recorder_->outcome(message.info, facts, report->outcome, verdict.change, rules, {}, now);
    if (verdict.event) {
      const mail::Outcome& o = report->outcome;
      events.push_back(
          {row.index, *verdict.event, details_of(facts, {now, o.stage, o.reply, o.remote_host})});
    }
    settlement.changes.push_back(std::move(verdict.change));
  }
  if (settlement.changes.empty()) return done();
  submit(std::move(settlement), message.info, std::move(events), true,
         [done = std::move(done)](const Settled&) { done(); });
}

void Queue::mark_damaged(mail::QueueId id) {
  if (WorkingMessage* message = working_.find(id)) message->damaged = true;
  log::Line(log::Level::error, "content_damaged").kv("id", id.text());
}

bool Queue::is_active(mail::QueueId id, std::uint32_t index) {
  const WorkingRecipient* r = in_memory(working_, id, index);
  return r != nullptr && r->place == Place::leased;
}

// What an attempt that runs right now brings cannot be foreseen, so its recipients stay as they
// are.
void Queue::act(Action action, const StoredMessage& message, const std::string& who,
                std::function<void(std::size_t)> done) {
  WallTime now = wall_now();
  Settlement settlement;
  settlement.id = message.info.id;
  std::vector<RecipientEvent> events;
  std::vector<std::uint32_t> indices;
  auto blocked = blocked_.find(message.info.id);
  for (const StoredRecipient& row : message.recipients) {
    const WorkingRecipient* r = in_memory(working_, message.info.id, row.index);
    if (r != nullptr && r->place != Place::queued) continue;
    if (blocked != blocked_.end() && blocked->second.count(row.index) > 0) continue;
    std::optional<ChangeKind> kind = change_for(action, row.state);
    if (!kind) continue;
    RecipientChange change;
    change.index = row.index;
    change.kind = *kind;
    change.destination = row.destination;
    change.next_attempt_at = now;
    settlement.changes.push_back(std::move(change));
    indices.push_back(row.index);
    recorder_->asked(history_kind(action), message.info.id, row, who, now);
    if (action == Action::retry || action == Action::release)
      scheduler_.release_hold(destination_named(row.destination), now);
    if (action != Action::bounce) continue;
    RecipientFacts facts{row.index,    row.recipient,    row.destination,          row.attempts,
                         row.in_doubt, row.delay_warned, greylisted_at(&row.last), row.crashes};
    LastOutcome last;
    last.reply.enhanced = {5, 7, 0};
    last.reply.text = "returned by the operator of the mail system";
    if (row.last.at != WallTime{}) last.reply.text += "; before: " + row.last.reply.one_line();
    events.push_back({row.index, Event::failed, details_of(facts, last)});
  }
  if (settlement.changes.empty()) return done(0);
  block(message.info.id, indices);
  submit(std::move(settlement), message.info, std::move(events), true,
         [this, id = message.info.id, indices, done = std::move(done)](const Settled& settled) {
           unblock(id, indices);
           done(settled.changed.size());
         });
}

std::optional<ChangeKind> Queue::change_for(Action action, RecipientState state) {
  bool held = state == RecipientState::held;
  switch (action) {
    case Action::cancel:
    case Action::bounce:
      return ChangeKind::remove;
    case Action::hold:
      if (held) return std::nullopt;
      return ChangeKind::hold;
    case Action::release:
      if (!held) return std::nullopt;
      return ChangeKind::release;
    case Action::retry:
      if (held) return std::nullopt;
      return ChangeKind::release;
  }
  return std::nullopt;
}

}  // namespace postwain::qmgr
