#include "qmgr/leaving/late_outcomes.h"

#include <algorithm>
#include <map>
#include <set>

#include "qmgr/model/unjudged.h"
#include "qmgr/store/queue_reader.h"

namespace postwain::qmgr {

namespace {

using Found = StoreResult<std::optional<StoredMessage>>;

Found read_message(QueueStore& store, mail::QueueId id) {
  return QueueReader(store).message(id, 0, kOutsideRecipients);
}

}  // namespace

void LateOutcomes::block(mail::QueueId id, const std::vector<std::uint32_t>& indices) {
  blocked_.add(id, indices);
  WorkingMessage* message = core_.working.find(id);
  if (message == nullptr) return;
  // Whoever of their jobs is not blocked is read again.
  const std::set<std::uint32_t> blocked(indices.begin(), indices.end());
  put_back_.withdraw(*message,
                     [&](const WorkingRecipient& r) { return blocked.count(r.index) > 0; });
}

// The destinations of these recipients are not known here; the rows tell, if they are still there.
void LateOutcomes::unblock(mail::QueueId id, const std::vector<std::uint32_t>& indices) {
  if (!blocked_.remove(id, indices)) return;
  attempts_ended_(id);
  read_then(
      core_.store, [id](QueueStore& store) { return read_message(store, id); },
      [this](const Found& message) {
        if (core_.finishing || !message || !*message) return;
        WallTime now = core_.clock.wall();
        for (const StoredRecipient& r : (*message)->recipients)
          if (r.state == RecipientState::waiting && !is_unjudged(r.destination))
            core_.scheduler.due_at(destinations_.number_of(r.destination), r.next_attempt_at, now);
        core_.hooks.on_work();
      });
}

void LateOutcomes::settle(mail::QueueId id, std::vector<IndexedOutcome> outcomes, Who who) {
  std::vector<std::uint32_t> indices;
  for (const IndexedOutcome& one : outcomes) indices.push_back(one.index);
  block(id, indices);
  read_then(
      core_.store, [id](QueueStore& store) { return read_message(store, id); },
      [this, id, indices, who, outcomes = std::move(outcomes)](const Found& found) {
        if (!found) return core_.hooks.on_broken(found.error());
        if (!*found) return unblock(id, indices);
        apply(**found, outcomes, who, [this, id, indices] { unblock(id, indices); });
      });
}

void LateOutcomes::apply(const StoredMessage& message, const std::vector<IndexedOutcome>& outcomes,
                         Who who, std::function<void()> done) {
  WallTime now = core_.clock.wall();
  const MessageInfo& info = message.info;
  Settlement settlement;
  settlement.id = info.id;
  settlement.in_file = info.in_file;
  std::vector<RecipientEvent> events;
  std::map<std::uint32_t, bool> ends;  // recipients, and whether it is in doubt
  WorkingMessage* working = core_.working.find(info.id);
  for (const StoredRecipient& row : message.recipients) {
    auto report = std::find_if(outcomes.begin(), outcomes.end(),
                               [&](const IndexedOutcome& o) { return o.index == row.index; });
    // Leased again already: that lease's own outcome counts.
    bool in_memory = working != nullptr && working->find(row.index) != nullptr;
    if (report == outcomes.end() || in_memory) continue;
    bool in_doubt = row.in_doubt || core_.recorder.is_left(info.id, row.index);
    if (who == Who::other_node && !in_doubt) continue;
    RecipientFacts facts = RetryTerms::facts_of(row);
    RetryRules rules = terms_.rules_for(info, row.recipient.address);
    const mail::Outcome& outcome = report->outcome;
    Verdict verdict = judge(info, facts, outcome, rules, now);
    verdict.change.count_key = count_key_of(core_.counts, info, row);
    core_.recorder.outcome(info, facts, outcome, verdict.change, rules, {}, {}, now);
    ends[row.index] = outcome.in_doubt;
    if (verdict.event)
      events.push_back(
          {row.index, *verdict.event,
           details_of(facts, {now, outcome.stage, outcome.reply, outcome.remote_host})});
    settlement.changes.push_back(std::move(verdict.change));
  }
  if (settlement.changes.empty()) return done();
  settling_.submit(std::move(settlement), info, std::move(events), true,
                   [this, id = info.id, ends, done = std::move(done)](const Settled& settled) {
                     for (std::uint32_t index : settled.changed)
                       core_.recorder.left_settled(id, index, ends.at(index));
                     done();
                   });
}

}  // namespace postwain::qmgr
