#include "qmgr/leaving/leasing.h"

#include <algorithm>

#include "common/log/log.h"

#include "qmgr/leaving/settling_log.h"
#include "qmgr/store/decided.h"

namespace postwain::qmgr {

std::optional<Pick> Leasing::next(Pool pool) {
  for (;;) {
    std::optional<Pick> pick = core_.scheduler.next(pool, core_.clock.wall());
    if (!pick) return pick;
    lease(*pick);
    if (!is_discarding(core_.scheduler.key(pick->destination))) return pick;
    discard(*pick);
  }
}

void Leasing::lease(const Pick& pick) {
  WallTime now = core_.clock.wall();
  WorkingMessage* message = core_.working.find(pick.job.id);
  PW_CHECK(message != nullptr);
  for (std::uint32_t index : pick.job.recipients) {
    WorkingRecipient* r = message->find(index);
    PW_CHECK(r != nullptr && r->phase == RecipientPhase::queued);
    r->phase = RecipientPhase::leased;
    core_.recorder.leased(message->info, *r, core_.scheduler.key(r->destination), now);
    if (!lent_before_.empty()) lent_before_.forget(pick.job.id, index);
  }
}

void Leasing::discard(const Pick& pick) {
  const config::Origin& at = route_of(*core_.working.find(pick.job.id), pick.job).settings->origin;
  mail::Outcome outcome = outcome_of({250, {2, 0, 0}, "discarded by the route at " + at.text()});
  std::vector<IndexedOutcome> outcomes;
  AttemptSummary summary;
  for (std::uint32_t index : pick.job.recipients) {
    outcomes.push_back({index, outcome});
    summary.add(outcome);
  }
  settling_.settle(pick.job.id, std::move(outcomes));
  finished(pick, summary, {});
}

Routed Leasing::route_of(WorkingMessage& message, const Job& job) const {
  WorkingRecipient* first = message.find(job.recipients.front());
  PW_CHECK(first != nullptr);
  return core_.router->route(first->recipient.address, message.info.envelope.reverse_path,
                             message.info.arrival.client_address);
}

bool Leasing::is_suspect(const Pick& pick) const {
  WorkingMessage* message = core_.working.find(pick.job.id);
  return message != nullptr &&
         std::any_of(pick.job.recipients.begin(), pick.job.recipients.end(), [&](auto index) {
           const WorkingRecipient* r = message->find(index);
           return r != nullptr && r->crashes >= kCrashesAlone;
         });
}

Pool Leasing::pool_of(const Pick& pick) const {
  return pool_named(core_.scheduler.key(pick.destination));
}

void Leasing::mark_damaged(mail::QueueId id) {
  if (WorkingMessage* message = core_.working.find(id)) message->damaged = true;
  log::Line(log::Level::error, "content_damaged").kv("id", id.text());
}

}  // namespace postwain::qmgr
