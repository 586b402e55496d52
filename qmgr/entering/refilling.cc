#include "qmgr/entering/refilling.h"

#include <algorithm>
#include <map>

#include "qmgr/model/unjudged.h"

namespace postwain::qmgr {

void Refilling::advance() {
  for (Refill& one : core_.scheduler.take_refills()) waiting_.push_back(std::move(one));
  while (!waiting_.empty() && running_ < kRefillsAtOnce && core_.working.has_room()) {
    Refill next = std::move(waiting_.front());
    waiting_.pop_front();
    begin(std::move(next));
  }
}

void Refilling::begin(Refill refill) {
  ++running_;
  auto waiting = core_.overflow.take(refill.key, refill.limit);
  read_then(
      core_.store,
      [refill, now = core_.clock.wall(), waiting = std::move(waiting)](QueueStore& store) {
        return read_refill(store, refill, now, waiting);
      },
      [this, refill](StoreResult<RefillRead> found) {
        --running_;
        if (!found) return core_.hooks.on_broken(found.error());
        if (!core_.finishing) read(refill, found.take());
      });
}

void Refilling::read(const Refill& refill, RefillRead read) {
  WallTime now = core_.clock.wall();
  RefillJobs jobs(read, refill.key);
  Rest rest;
  rest.taken = jobs.due_rows();
  sort(jobs, rest);
  for (const RefillGroup& group : jobs.take_groups()) take_or_refuse(group, refill, rest, now);
  finish(refill, read, jobs, std::move(rest), now);
}

// Recipients that are in memory already, or that may not be leased, are left out.
void Refilling::sort(RefillJobs& jobs, Rest& rest) {
  for (const RefillJobs::Row& row : jobs.rows()) {
    // Whoever had such a destination read: nobody is lent what no filter has seen (unjudged.h).
    if (is_unjudged(row.recipient->destination)) continue;
    if (row.info->id.is_in(core_.closed_bags)) continue;
    WorkingMessage* known = core_.working.find(row.info->id);
    if (known != nullptr && known->find(row.recipient->index) != nullptr) continue;
    if (blocked_.has(row.info->id, row.recipient->index)) {
      if (row.compact != nullptr) rest.to_normalise.insert(row.info->id);
      continue;
    }
    Routed routed =
        destinations_.route(row.recipient->recipient.address, row.info->envelope.reverse_path,
                            row.info->arrival.client_address);
    Company company = company_of(row.recipient->last, row.recipient->attempts, routed.hop.kind);
    jobs.add(row, destinations_.number_of(routed), company, routed.settings->recipients);
  }
}

// What was stored before its domain was suspended must not fill the place of others: it moves to
// the destination that was split off.
void Refilling::take_or_refuse(const RefillGroup& group, const Refill& refill, Rest& rest,
                               WallTime now) {
  if (group.destination != refill.destination && destinations_.is_split_off(group.destination)) {
    if (group.compact != nullptr) {
      rest.to_normalise.insert(group.info->id);
      return;
    }
    const std::string& key = core_.scheduler.key(group.destination);
    for (const StoredRecipient* row : group.rows)
      rest.moved.push_back({group.info->id, row->index, key, row->next_attempt_at});
    return;
  }
  if (!take(group, now)) refuse(group, refill, rest);
}

void Refilling::refuse(const RefillGroup& group, const Refill& refill, Rest& rest) const {
  rest.refused = true;
  rest.taken = std::min(rest.taken, group.first);
  rest.refused_elsewhere = rest.refused_elsewhere || !core_.working.has_room() ||
                           group.destination != refill.destination;
  if (group.compact == nullptr) return;
  auto count = static_cast<std::uint32_t>(group.rows.size());
  if (!rest.back.empty() && rest.back.back().id == group.info->id)
    rest.back.back().recipients += count;
  else
    rest.back.push_back({group.info->id, count});
}

Job Refilling::job_of(const RefillGroup& group) const {
  bool warned = std::all_of(group.rows.begin(), group.rows.end(),
                            [](const StoredRecipient* r) { return r->delay_warned; });
  Job job{group.info->id, group.info->traffic_class, terms_.milestone_of(*group.info, warned), {}};
  job.waiting_since = group.rows.front()->next_attempt_at;
  job.marks = marks_of(group.info->envelope.reverse_path);
  if (group.rows.size() == 1) job.marks.recipient = mark_of(group.rows.front()->recipient.address);
  for (const StoredRecipient* r : group.rows) {
    job.recipients.push_back(r->index);
    job.failures = std::max(job.failures, failures_of(&r->last, r->attempts));
  }
  job.remaining = group.remaining;
  return job;
}

// False: there is no place for it.
bool Refilling::take(const RefillGroup& group, WallTime now) {
  auto count = static_cast<std::uint32_t>(group.rows.size());
  Job job = job_of(group);
  core_.scheduler.pin(group.destination, count);
  if (!core_.working.has_room() ||
      !core_.scheduler.offer(group.destination, job, Scheduler::Source::store, now)) {
    core_.scheduler.unpin(group.destination, count, now);
    return false;
  }
  WorkingMessage& working = core_.working.get(*group.info);
  if (group.compact != nullptr) {
    working.is_compact = true;
    if (!group.compact->content.empty())
      core_.working.keep_content(working, std::move(group.compact->content));
  }
  for (StoredRecipient* row : group.rows) {
    WorkingRecipient r;
    r.index = row->index;
    r.recipient = std::move(row->recipient);
    r.destination = group.destination;
    r.count_key = count_key_of(core_.counts, *group.info, *row);
    r.attempts = row->attempts;
    r.in_doubt = row->in_doubt;
    r.delay_warned = row->delay_warned;
    r.crashes = row->crashes;
    if (row->last.at != WallTime{}) r.last = std::make_unique<LastOutcome>(std::move(row->last));
    core_.working.add(working, std::move(r));
  }
  return true;
}

void Refilling::move(std::vector<MovedRecipient> moved) {
  std::map<std::string, WallTime> due;
  for (const MovedRecipient& one : moved) {
    auto [at, is_new] = due.try_emplace(one.destination, one.due);
    if (!is_new) at->second = std::min(at->second, one.due);
  }
  core_.store.write(WaitingFact(MoveRecipients{std::move(moved)}), [this, due = std::move(due)] {
    if (core_.finishing) return;
    WallTime now = core_.clock.wall();
    for (const auto& [key, when] : due)
      core_.scheduler.due_at(destinations_.number_of(key), when, now);
    core_.hooks.on_work();
  });
}

// What is due but was not taken is asked for again. When that was for want of room at this
// destination, the scheduler asks only when there is some; otherwise wait, or this would spin.
void Refilling::finish(const Refill& refill, const RefillRead& read, const RefillJobs& jobs,
                       Rest rest, WallTime now) {
  for (mail::QueueId id : rest.to_normalise) put_back_.normalise(id, {refill.key}, WallTime{});
  if (!rest.moved.empty()) move(std::move(rest.moved));
  rest.back.insert(rest.back.end(), read.unread.begin(), read.unread.end());
  core_.overflow.give_back(refill.key, rest.back);
  std::optional<WallTime> next_due = read.page.next_due;
  if (rest.refused || core_.overflow.waits(refill.key))
    next_due = rest.refused_elsewhere ? now + kNoRoomPause : now;
  StoreCursor after = rest.taken > 0 ? jobs.cursor_after(rest.taken) : refill.after;
  core_.scheduler.refilled(refill.destination, next_due, after, now);
  if (read.normalised) core_.scheduler.read_again(destinations_.number_of(refill.key), now, now);
  core_.hooks.on_work();
}

}  // namespace postwain::qmgr
