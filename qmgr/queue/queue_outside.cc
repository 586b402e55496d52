// Changes that do not come from a running lease: late outcomes of a former qmgr's leases, and what
// operators ask for.
#include <algorithm>

#include "common/log/log.h"

#include "qmgr/queue/queue.h"

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

// What the bounce of a recipient says that an operator gave up.
DsnRecipient details_of_return(const StoredRecipient& row) {
  RecipientFacts facts{row.index,    row.recipient,    row.destination,          row.attempts,
                       row.in_doubt, row.delay_warned, greylisted_at(&row.last), row.crashes};
  LastOutcome last;
  last.reply.enhanced = {5, 7, 0};
  last.reply.text = "returned by the operator of the mail system";
  if (row.last.at != WallTime{}) last.reply.text += "; before: " + row.last.reply.one_line();
  return details_of(facts, last);
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
  std::vector<std::string> destinations;
  for (std::uint32_t index : indices)
    if (WorkingRecipient* r = message->find(index);
        r != nullptr && r->phase == RecipientPhase::queued)
      touched.insert(r->destination);
  // Jobs come out whole; who of them is not blocked is read again.
  std::vector<std::uint32_t> out;
  for (const WorkingRecipient& r : message->recipients)
    if (r.phase == RecipientPhase::queued && touched.count(r.destination) > 0)
      out.push_back(r.index);
  for (DestinationId destination : touched) {
    scheduler_.withdraw(destination, id, now);
    scheduler_.due_at(destination, now, now);
    destinations.push_back(scheduler_.key(destination));
  }
  if (message->packed && !out.empty())
    normalise(id, std::move(destinations), message->info.arrival.received_at);
  working_.remove(*message, out,
                  [&](WorkingRecipient& r) { scheduler_.unpin(r.destination, 1, now); });
  working_.forget_if_empty(id);
}

void Queue::unblock(mail::QueueId id, const std::vector<std::uint32_t>& indices) {
  auto found = blocked_.find(id);
  if (found == blocked_.end()) return;
  for (std::uint32_t index : indices) found->second.erase(index);
  if (found->second.empty()) blocked_.erase(found);
  attempts_ended(id);
  // Their destinations are not known here; the rows tell, if they are still there.
  store_->read([this, id](QueueStore& store) -> StoreWorker::Completion {
    auto message = std::make_shared<StoreResult<std::optional<StoredMessage>>>(
        QueueReader(store).message(id, 0, kOutsideRecipients));
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
  store_->read([this, id, reports, indices](QueueStore& store) -> StoreWorker::Completion {
    auto found = std::make_shared<StoreResult<std::optional<StoredMessage>>>(
        QueueReader(store).message(id, 0, kOutsideRecipients));
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
  settlement.in_file = message.info.in_file;
  std::vector<RecipientEvent> events;
  std::map<std::uint32_t, bool> ends;  // recipients, and whether it is in doubt
  for (const StoredRecipient& row : message.recipients) {
    auto report = std::find_if(outcomes.begin(), outcomes.end(),
                               [&](const IndexedOutcome& o) { return o.index == row.index; });
    // Lent again already: that lease's own outcome counts.
    if (report == outcomes.end() || in_memory(working_, message.info.id, row.index) != nullptr)
      continue;
    RecipientFacts facts{row.index,    row.recipient,    row.destination,          row.attempts,
                         row.in_doubt, row.delay_warned, greylisted_at(&row.last), row.crashes,
                         &row.last};
    RetryRules rules = rules_for(message.info, row.recipient.address);
    Verdict verdict = judge(message.info, facts, report->outcome, rules, now);
    verdict.change.count_key = bin_of(message.info, row);
    recorder_->outcome(message.info, facts, report->outcome, verdict.change, rules, {}, {}, now);
    ends[row.index] = report->outcome.in_doubt;
    if (verdict.event) {
      const mail::Outcome& o = report->outcome;
      events.push_back(
          {row.index, *verdict.event, details_of(facts, {now, o.stage, o.reply, o.remote_host})});
    }
    settlement.changes.push_back(std::move(verdict.change));
  }
  if (settlement.changes.empty()) return done();
  submit(std::move(settlement), message.info, std::move(events), true,
         [this, id = message.info.id, ends, done = std::move(done)](const Settled& settled) {
           for (std::uint32_t index : settled.changed)
             recorder_->left_settled(id, index, ends.at(index));
           done();
         });
}

QueueCounts::CountKey Queue::bin_of(const MessageInfo& info, const StoredRecipient& row) {
  return queue_counts_.count_key(row.destination, info.traffic_class,
                                 queue_state(row.state, row.attempts));
}

void Queue::mark_damaged(mail::QueueId id) {
  if (WorkingMessage* message = working_.find(id)) message->damaged = true;
  log::Line(log::Level::error, "content_damaged").kv("id", id.text());
}

bool Queue::is_active(mail::QueueId id, std::uint32_t index) {
  const WorkingRecipient* r = in_memory(working_, id, index);
  return r != nullptr && r->phase == RecipientPhase::leased;
}

bool Queue::has_active(mail::QueueId id) {
  WorkingMessage* message = working_.find(id);
  return message != nullptr &&
         std::any_of(message->recipients.begin(), message->recipients.end(),
                     [](const WorkingRecipient& r) { return r.phase == RecipientPhase::leased; });
}

// --- what operators ask for --------------------------------------------------------------------

// Lent, being settled, or lent by a former qmgr.
bool Queue::is_busy(mail::QueueId id, std::uint32_t index) {
  const WorkingRecipient* r = in_memory(working_, id, index);
  if (r != nullptr && r->phase != RecipientPhase::queued) return true;
  auto blocked = blocked_.find(id);
  return blocked != blocked_.end() && blocked->second.count(index) > 0;
}

std::vector<std::uint32_t> Queue::act(Action action, const StoredMessage& message,
                                      const std::string& who,
                                      std::function<void(std::size_t)> done) {
  WallTime now = wall_now();
  Settlement settlement;
  settlement.id = message.info.id;
  settlement.in_file = message.info.in_file;
  std::vector<RecipientEvent> events;
  std::vector<std::uint32_t> indices;
  std::vector<std::uint32_t> busy;
  for (const StoredRecipient& row : message.recipients) {
    std::optional<ChangeKind> kind = change_for(action, row.state);
    if (!kind) continue;
    if (is_busy(message.info.id, row.index)) {
      // An attempt is what `retry` asks for.
      if (action != Action::retry) busy.push_back(row.index);
      continue;
    }
    RecipientChange change;
    change.index = row.index;
    change.kind = *kind;
    change.count_key = bin_of(message.info, row);
    change.destination = row.destination;
    change.attempts = row.attempts;
    change.next_attempt_at = now;
    settlement.changes.push_back(std::move(change));
    indices.push_back(row.index);
    recorder_->asked(history_kind(action), message.info.id, row, who, now);
    if (action == Action::retry || action == Action::release)
      scheduler_.release_hold(destination_named(row.destination), now);
    if (action == Action::bounce)
      events.push_back({row.index, Event::failed, details_of_return(row)});
  }
  if (settlement.changes.empty()) {
    done(0);
    return busy;
  }
  block(message.info.id, indices);
  submit(std::move(settlement), message.info, std::move(events), true,
         [this, id = message.info.id, indices, done = std::move(done)](const Settled& settled) {
           unblock(id, indices);
           done(settled.changed.size());
         });
  return busy;
}

void Queue::act_later(Action action, mail::QueueId id, std::vector<std::uint32_t> indices,
                      const std::string& who, std::function<void(std::size_t)> done) {
  bool runs = std::any_of(indices.begin(), indices.end(),
                          [&](std::uint32_t index) { return is_busy(id, index); });
  acts_waiting_.emplace(id, Waiting{action, std::move(indices), who, std::move(done)});
  if (!runs) attempts_ended(id);
}

// Some of this message's. Those who still run, or run again, are waited for further.
void Queue::attempts_ended(mail::QueueId id) {
  if (finishing_ || acts_waiting_.empty()) return;
  auto [begin, end] = acts_waiting_.equal_range(id);
  std::vector<Waiting> ready;
  for (auto at = begin; at != end;) {
    bool ended = std::any_of(at->second.indices.begin(), at->second.indices.end(),
                             [&](std::uint32_t index) { return !is_busy(id, index); });
    if (ended) ready.push_back(std::move(at->second));
    at = ended ? acts_waiting_.erase(at) : std::next(at);
  }
  for (Waiting& one : ready) {
    auto waiting = std::make_shared<Waiting>(std::move(one));
    store_->read([this, id, waiting](QueueStore& store) -> StoreWorker::Completion {
      const std::vector<std::uint32_t>& wanted = waiting->indices;
      auto found =
          std::make_shared<StoreResult<std::optional<StoredMessage>>>(QueueReader(store).message(
              id, wanted.front(), static_cast<std::uint32_t>(wanted.back() - wanted.front()) + 1));
      return [this, id, waiting, found] {
        if (!*found || !**found) return waiting->done(0);
        StoredMessage& message = ***found;
        std::erase_if(message.recipients, [&](const StoredRecipient& r) {
          return !std::binary_search(waiting->indices.begin(), waiting->indices.end(), r.index);
        });
        auto total = std::make_shared<std::pair<std::size_t, std::size_t>>(1, 0);  // parts, changed
        auto part = [waiting, total](std::size_t changed) {
          total->second += changed;
          if (--total->first == 0) waiting->done(total->second);
        };
        ++total->first;
        auto busy = act(waiting->action, message, waiting->who, part);
        if (busy.empty()) return part(0);
        act_later(waiting->action, id, std::move(busy), waiting->who, part);
      };
    });
  }
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
