#include "qmgr/leaving/after_commit.h"

#include <algorithm>

#include "common/log/log.h"

#include "qmgr/entering/refilling.h"
#include "qmgr/model/unjudged.h"

namespace postwain::qmgr {

namespace {

bool is_changed(const Settled& settled, std::uint32_t index) {
  return std::find(settled.changed.begin(), settled.changed.end(), index) != settled.changed.end();
}

}  // namespace

void AfterCommit::settled(SettleRequest& request) {
  WallTime now = core_.clock.wall();
  const Settlement& settlement = request.settlement;
  Settled& result = request.settled;
  if (!request.error.empty())
    log::Line(log::Level::error, "not_settled")
        .kv("id", settlement.id.text())
        .kv("error", request.error);
  if (!core_.finishing) schedule_changes(request, now);
  count(request);
  if (!request.error.empty() && !core_.finishing) read_refused_again(request, now);
  forget(settlement, now);
  attempts_ended_(settlement.id);
  if (result.message_removed) {
    log::Line(log::Level::info, "removed").kv("id", settlement.id.text());
    if (result.content_file_removed && !core_.finishing) content_.remove(settlement.id);
  }
  if (!result.notices.empty())
    for (const NoticeOrder& order : settlement.notices) core_.metrics.notice(order.request.action);
  for (NewMessage& notice : result.notices) {
    WallTime due = notice.info.arrival.received_at;
    offering_.committed(std::move(notice), due);
  }
}

void AfterCommit::schedule_changes(const SettleRequest& request, WallTime now) {
  for (const RecipientChange& change : request.settlement.changes) {
    bool waits = change.kind == ChangeKind::defer || change.kind == ChangeKind::release;
    if (!waits || !is_changed(request.settled, change.index)) continue;
    if (is_unjudged(change.destination))
      on_unjudged_();
    else
      core_.scheduler.due_at(destinations_.number_of(change.destination), change.next_attempt_at,
                             now);
  }
}

// A settlement that was refused leaves the rows as they are.
void AfterCommit::read_refused_again(const SettleRequest& request, WallTime now) {
  WorkingMessage* message = core_.working.find(request.settlement.id);
  if (message == nullptr) return;
  std::vector<std::string> destinations;
  for (const RecipientChange& change : request.settlement.changes) {
    WorkingRecipient* r = message->find(change.index);
    if (r == nullptr) continue;
    core_.scheduler.read_again(r->destination, now + kNoRoomPause, now);
    destinations.push_back(core_.scheduler.key(r->destination));
  }
  if (!destinations.empty())
    put_back_.normalise(request.settlement.id, std::move(destinations), WallTime{});
}

void AfterCommit::count(const SettleRequest& request) {
  for (const RecipientChange& change : request.settlement.changes)
    if (is_changed(request.settled, change.index)) count(request.settlement.id, change);
  if (request.settled.message_removed) core_.counts.removed_message(request.settlement.id);
}

void AfterCommit::count(mail::QueueId id, const RecipientChange& change) {
  QueueCounts::CountKey was = change.count_key;
  auto waiting = [&] { return queue_state(RecipientState::waiting, change.attempts); };
  auto at_destination = [&](QueueState state) {
    return core_.counts.count_key(change.destination, QueueCounts::class_of(was), state);
  };
  switch (change.kind) {
    case ChangeKind::remove:
      return core_.counts.removed(id, was);
    case ChangeKind::hold:
      return core_.counts.moved(id, was, QueueCounts::with_state(was, QueueState::held));
    case ChangeKind::release:
      return core_.counts.moved(id, was, QueueCounts::with_state(was, waiting()));
    case ChangeKind::defer:
      return core_.counts.moved(id, was, at_destination(waiting()));
    case ChangeKind::quarantine:
      return core_.counts.moved(id, was, at_destination(QueueState::held));
  }
}

void AfterCommit::forget(const Settlement& settlement, WallTime now) {
  WorkingMessage* message = core_.working.find(settlement.id);
  if (message == nullptr) return;
  std::vector<std::uint32_t> indices;
  indices.reserve(settlement.changes.size());
  for (const RecipientChange& change : settlement.changes) indices.push_back(change.index);
  core_.working.remove(*message, indices, [&](WorkingRecipient& r) {
    core_.recorder.ended(r);
    core_.scheduler.unpin(r.destination, 1, now);
  });
  core_.working.forget_if_empty(settlement.id);
}

}  // namespace postwain::qmgr
