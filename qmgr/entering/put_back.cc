#include "qmgr/entering/put_back.h"

#include <set>

#include "common/log/log.h"

namespace postwain::qmgr {

void PutBack::normalise(mail::QueueId id, std::vector<std::string> destinations, WallTime due) {
  if (WorkingMessage* message = core_.working.find(id)) message->is_compact = false;
  auto request = std::make_unique<SettleRequest>();
  request->settlement.id = id;
  // A clock that was set back must not keep it waiting.
  request->settlement.normalise_due = core_.clock.wall();
  request->urgent = true;
  request->done = [this, due, destinations = std::move(destinations)](SettleRequest& r) {
    if (!r.error.empty())
      log::Line(log::Level::error, "not_unpacked")
          .kv("id", r.settlement.id.text())
          .kv("error", r.error);
    if (core_.finishing) return;
    WallTime now = core_.clock.wall();
    for (const std::string& key : destinations)
      core_.scheduler.due_at(destinations_.number_of(key), due, now);
    core_.hooks.on_work();
  };
  core_.store.settle(std::move(request));
}

void PutBack::withdraw(WorkingMessage& message, const Meant& meant) {
  WallTime now = core_.clock.wall();
  mail::QueueId id = message.info.id;
  std::set<DestinationId> touched;
  for (const WorkingRecipient& r : message.recipients)
    if (r.phase == RecipientPhase::queued && meant(r)) touched.insert(r.destination);
  if (touched.empty()) return;
  std::vector<std::uint32_t> out;
  for (const WorkingRecipient& r : message.recipients)
    if (r.phase == RecipientPhase::queued && touched.count(r.destination) > 0)
      out.push_back(r.index);
  std::vector<std::string> destinations;
  for (DestinationId destination : touched) {
    core_.scheduler.withdraw(destination, id, now);
    core_.scheduler.due_at(destination, now, now);
    destinations.push_back(core_.scheduler.key(destination));
  }
  if (message.is_compact) normalise(id, std::move(destinations), message.info.arrival.received_at);
  core_.working.remove(message, out, [&](const WorkingRecipient& r) {
    core_.scheduler.unpin(r.destination, 1, now);
  });
  core_.working.forget_if_empty(id);
}

void PutBack::withdraw_all(const Meant& meant) {
  for (mail::QueueId id : core_.working.ids()) withdraw(*core_.working.find(id), meant);
}

}  // namespace postwain::qmgr
