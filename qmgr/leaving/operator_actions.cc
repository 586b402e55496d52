#include "qmgr/leaving/operator_actions.h"

#include <algorithm>
#include <memory>

#include "qmgr/model/unjudged.h"
#include "qmgr/store/queue_reader.h"

namespace postwain::qmgr {

namespace {

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

// Nothing: the action changes nothing for such a recipient.
std::optional<ChangeKind> change_for(Action action, RecipientState state) {
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

// What the bounce of a recipient says that an operator gave up.
DsnRecipient details_of_return(const StoredRecipient& row) {
  LastOutcome last;
  last.reply.enhanced = {5, 7, 0};
  last.reply.text = "returned by the operator of the mail system";
  if (row.last.at != WallTime{}) last.reply.text += "; before: " + row.last.reply.one_line();
  RecipientFacts facts = RetryTerms::facts_of(row);
  facts.last = nullptr;
  return details_of(facts, last);
}

}  // namespace

bool OperatorActions::is_active(mail::QueueId id, std::uint32_t index) const {
  WorkingMessage* message = core_.working.find(id);
  const WorkingRecipient* r = message != nullptr ? message->find(index) : nullptr;
  return r != nullptr && r->phase == RecipientPhase::leased;
}

bool OperatorActions::has_active(mail::QueueId id) const {
  WorkingMessage* message = core_.working.find(id);
  return message != nullptr &&
         std::any_of(message->recipients.begin(), message->recipients.end(),
                     [](const WorkingRecipient& r) { return r.phase == RecipientPhase::leased; });
}

bool OperatorActions::is_busy(mail::QueueId id, std::uint32_t index) const {
  WorkingMessage* message = core_.working.find(id);
  const WorkingRecipient* r = message != nullptr ? message->find(index) : nullptr;
  if (r != nullptr && r->phase != RecipientPhase::queued) return true;
  return blocked_.has(id, index);
}

RecipientChange OperatorActions::change_of(const MessageInfo& info, const StoredRecipient& row,
                                           ChangeKind kind, WallTime now) {
  RecipientChange change;
  change.index = row.index;
  change.kind = kind;
  change.count_key = count_key_of(core_.counts, info, row);
  change.destination = row.destination;
  change.attempts = row.attempts;
  change.next_attempt_at = now;
  return change;
}

std::vector<std::uint32_t> OperatorActions::act(Action action, const StoredMessage& message,
                                                const std::string& who, Done done) {
  WallTime now = core_.clock.wall();
  mail::QueueId id = message.info.id;
  Settlement settlement;
  settlement.id = id;
  settlement.in_file = message.info.in_file;
  std::vector<RecipientEvent> events;
  std::vector<std::uint32_t> indices;
  std::vector<std::uint32_t> busy;
  for (const StoredRecipient& row : message.recipients) {
    std::optional<ChangeKind> kind = change_for(action, row.state);
    if (!kind) continue;
    if (is_busy(id, row.index)) {
      // An attempt is what `retry` asks for.
      if (action != Action::retry) busy.push_back(row.index);
      continue;
    }
    settlement.changes.push_back(change_of(message.info, row, *kind, now));
    indices.push_back(row.index);
    core_.recorder.asked(history_kind(action), id, row, who, now);
    bool wakes = action == Action::retry || action == Action::release;
    if (wakes && !is_unjudged(row.destination))
      core_.scheduler.release_hold(destinations_.number_of(row.destination), now);
    if (action == Action::bounce)
      events.push_back({row.index, Event::failed, details_of_return(row)});
  }
  if (settlement.changes.empty()) {
    done(0);
    return busy;
  }
  if (is_unjudged(message) && action != Action::retry) on_unjudged_(id);
  late_outcomes_.block(id, indices);
  settling_.submit(std::move(settlement), message.info, std::move(events), true,
                   [this, id, indices, done = std::move(done)](const Settled& settled) {
                     late_outcomes_.unblock(id, indices);
                     done(settled.changed.size());
                   });
  return busy;
}

void OperatorActions::act_later(Action action, mail::QueueId id, std::vector<std::uint32_t> indices,
                                const std::string& who, Done done) {
  bool runs = std::any_of(indices.begin(), indices.end(),
                          [&](std::uint32_t index) { return is_busy(id, index); });
  waiting_.emplace(id, Waiting{action, std::move(indices), who, std::move(done)});
  if (!runs) attempts_ended(id);
}

void OperatorActions::attempts_ended(mail::QueueId id) {
  if (core_.finishing || waiting_.empty()) return;
  auto [begin, end] = waiting_.equal_range(id);
  std::vector<Waiting> ready;
  for (auto at = begin; at != end;) {
    bool ended = std::any_of(at->second.indices.begin(), at->second.indices.end(),
                             [&](std::uint32_t index) { return !is_busy(id, index); });
    if (ended) ready.push_back(std::move(at->second));
    at = ended ? waiting_.erase(at) : std::next(at);
  }
  using Found = StoreResult<std::optional<StoredMessage>>;
  for (Waiting& one : ready) {
    std::uint32_t first = one.indices.front();
    std::uint32_t count = one.indices.back() - first + 1;
    read_then(
        core_.store,
        [id, first, count](QueueStore& store) {
          return QueueReader(store).message(id, first, count);
        },
        [this, id, one](Found found) {
          if (!found || !*found) return one.done(0);
          act_now(id, one, std::move(**found));
        });
  }
}

void OperatorActions::act_now(mail::QueueId id, const Waiting& waiting, StoredMessage message) {
  std::erase_if(message.recipients, [&](const StoredRecipient& r) {
    return !std::binary_search(waiting.indices.begin(), waiting.indices.end(), r.index);
  });
  struct Total {
    std::size_t parts = 2;  // this one, and those who wait on
    std::size_t changed = 0;
  };
  auto part = [done = waiting.done, total = std::make_shared<Total>()](std::size_t changed) {
    total->changed += changed;
    if (--total->parts == 0) done(total->changed);
  };
  auto busy = act(waiting.action, message, waiting.who, part);
  if (busy.empty()) return part(0);
  act_later(waiting.action, id, std::move(busy), waiting.who, part);
}

}  // namespace postwain::qmgr
