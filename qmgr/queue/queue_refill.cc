// From the store into memory: rows that are due, and fresh messages for which there was no place
// when they came.
#include <algorithm>
#include <tuple>

#include "qmgr/model/held_domains.h"
#include "qmgr/queue/queue.h"
#include "qmgr/routing/scheduler_settings.h"

namespace postwain::qmgr {

// Recipients of one message for one destination, as many as fit into a lease.
struct Queue::RefillGroup {
  const MessageInfo* info;
  DestinationId destination;
  std::vector<StoredRecipient*> rows{};
  std::size_t first = 0;  // its place among the rows
  Company company = Company::any;
  std::uint32_t remaining = 0;  // of the message at the destination, this group included
};

// What was read, sorted into such groups.
struct Queue::RefillJobs {
  std::vector<DuePage::Row>& rows;
  std::size_t due_rows;  // the first ones; behind them those of fresh messages
  std::unordered_map<mail::QueueId, QueueReader::Compact*> fresh{};
  std::unordered_map<mail::QueueId, const MessageInfo*> infos{};
  std::vector<RefillGroup> groups{};
  std::set<mail::QueueId> to_normalise{};  // fresh, and somebody is blocked
};

// Not while memory is full: with many destinations, each asking again and again, reading in vain
// would be all that is done.
void Queue::start_refills() {
  while (!refills_waiting_.empty() && refills_running_ < kRefillsAtOnce && working_.has_room()) {
    Refill next = std::move(refills_waiting_.front());
    refills_waiting_.pop_front();
    refill(std::move(next));
  }
}

void Queue::refill(Refill refill) {
  ++refills_running_;
  WallTime now = wall_now();
  auto waiting = backlog_.take(refill.key, refill.limit);
  store_->read([this, refill = std::move(refill), now,
                waiting = std::move(waiting)](QueueStore& store) -> StoreWorker::Completion {
    auto read = std::make_shared<StoreResult<Refilled>>(read_refill(store, refill, now, waiting));
    return [this, refill, read] {
      --refills_running_;
      if (!*read) return hooks_.on_broken(read->error());
      refilled(refill, read->take());
    };
  });
}

// On the store's thread. Rows come first: they are older.
StoreResult<Queue::Refilled> Queue::read_refill(QueueStore& store, const Refill& refill,
                                                WallTime now,
                                                const std::vector<OverflowList::Entry>& waiting) {
  StoreResult<DuePage> page = store.waiting().due(refill.key, now, refill.limit, refill.after);
  if (!page) return page.error();
  Refilled out{page.take(), {}, {}, false};
  std::size_t recipients = out.page.rows.size();
  for (const OverflowList::Entry& entry : waiting) {
    if (recipients >= refill.limit) {
      out.unread.push_back(entry);
      continue;
    }
    StoreResult<std::optional<QueueReader::Compact>> fresh = QueueReader(store).compact(entry.id);
    if (!fresh && fresh.error().kind != StoreError::Kind::refused) return fresh.error();
    if (!fresh || !*fresh) {
      out.unpacked = true;
      continue;
    }
    recipients += entry.recipients;
    out.fresh.push_back(std::move(**fresh));
  }
  return out;
}

void Queue::sort_into_jobs(RefillJobs& jobs) {
  using Key = std::tuple<mail::QueueId, DestinationId, Company>;
  std::map<Key, std::size_t> open;
  std::map<std::pair<mail::QueueId, DestinationId>, std::uint32_t> remaining;
  for (DuePage::Row& row : jobs.rows) {
    auto info = jobs.infos.find(row.message);
    if (info == jobs.infos.end()) continue;
    WorkingMessage* known = working_.find(row.message);
    if (known != nullptr && known->find(row.recipient.index) != nullptr) continue;
    auto blocked = blocked_.find(row.message);
    if (blocked != blocked_.end() && blocked->second.count(row.recipient.index) > 0) {
      if (jobs.fresh.count(row.message) > 0) jobs.to_normalise.insert(row.message);
      continue;
    }
    Routed routed = route(row.recipient.recipient.address, info->second->envelope.reverse_path);
    DestinationId id = destination(routed);
    Company company = company_of(row.recipient.last, row.recipient.attempts, routed.hop.kind);
    auto [at, is_new] = open.try_emplace({row.message, id, company}, jobs.groups.size());
    if (!is_new && (company == Company::alone ||
                    jobs.groups[at->second].rows.size() >= routed.settings->recipients)) {
      is_new = true;
      at->second = jobs.groups.size();
    }
    auto place = static_cast<std::size_t>(&row - jobs.rows.data());
    if (is_new) jobs.groups.push_back({info->second, id, {}, place, company});
    jobs.groups[at->second].rows.push_back(&row.recipient);
    ++remaining[{row.message, id}];
  }
  cut_groups(jobs.groups);
  for (RefillGroup& group : jobs.groups)
    group.remaining = remaining[{group.info->id, group.destination}];
}

// What broke off at somebody goes on in parts, smaller ones each time, so that after a few attempts
// whoever can be reached is.
void Queue::cut_groups(std::vector<RefillGroup>& groups) {
  std::size_t count = groups.size();
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t attempts = 0;
    for (const StoredRecipient* r : groups[i].rows) attempts = std::max(attempts, r->attempts);
    std::size_t parts = std::min(parts_of(groups[i].company, attempts), groups[i].rows.size());
    if (parts < 2) continue;
    std::vector<StoredRecipient*> all = std::move(groups[i].rows);
    for (std::size_t part = 0; part < parts; ++part) {
      auto from = all.begin() + static_cast<std::ptrdiff_t>(all.size() * part / parts);
      auto to = all.begin() + static_cast<std::ptrdiff_t>(all.size() * (part + 1) / parts);
      if (part > 0) groups.push_back(groups[i]);
      (part > 0 ? groups.back() : groups[i]).rows.assign(from, to);
    }
  }
}

// False: there is no place for it.
bool Queue::take_group(RefillGroup& group, QueueReader::Compact* fresh, WallTime now) {
  auto count = static_cast<std::uint32_t>(group.rows.size());
  bool warned = std::all_of(group.rows.begin(), group.rows.end(),
                            [](const StoredRecipient* r) { return r->delay_warned; });
  std::sort(group.rows.begin(), group.rows.end(),
            [](const StoredRecipient* a, const StoredRecipient* b) { return a->index < b->index; });
  Job job{group.info->id, group.info->traffic_class, milestone_of(*group.info, warned), {}};
  for (const StoredRecipient* r : group.rows) job.recipients.push_back(r->index);
  job.waiting_since = group.rows.front()->next_attempt_at;
  job.marks = marks_of(group.info->envelope.reverse_path);
  if (count == 1) job.marks.recipient = mark_of(group.rows.front()->recipient.address);
  for (const StoredRecipient* r : group.rows)
    job.failures = std::max(job.failures, failures_of(&r->last, r->attempts));
  job.remaining = group.remaining;
  scheduler_.pin(group.destination, count);
  if (!working_.has_room() ||
      !scheduler_.offer(group.destination, job, Scheduler::Source::store, now)) {
    scheduler_.unpin(group.destination, count, now);
    return false;
  }
  WorkingMessage& working = working_.get(*group.info);
  if (fresh != nullptr) {
    working.packed = true;
    if (!fresh->content.empty()) working_.keep_content(working, std::move(fresh->content));
  }
  for (StoredRecipient* row : group.rows) {
    WorkingRecipient r;
    r.index = row->index;
    r.recipient = std::move(row->recipient);
    r.destination = group.destination;
    r.count_key = bin_of(*group.info, *row);
    r.attempts = row->attempts;
    r.in_doubt = row->in_doubt;
    r.delay_warned = row->delay_warned;
    r.crashes = row->crashes;
    if (row->last.at != WallTime{}) r.last = std::make_unique<LastOutcome>(std::move(row->last));
    working_.add(working, std::move(r));
  }
  return true;
}

// What was stored before its domain was suspended must not fill the place of others.
bool Queue::is_held_elsewhere(const RefillGroup& group, const Refill& refill) const {
  return group.destination != refill.destination && !held_domains_.empty() &&
         held_domains_.count(std::string(held_domain(scheduler_.key(group.destination)))) > 0;
}

void Queue::move(std::vector<MovedRecipient> moved) {
  std::map<std::string, WallTime> due;
  for (const MovedRecipient& one : moved) {
    auto [at, is_new] = due.try_emplace(one.destination, one.due);
    if (!is_new) at->second = std::min(at->second, one.due);
  }
  store_->write(WaitingFact(MoveRecipients{std::move(moved)}), [this, due = std::move(due)] {
    if (finishing_) return;
    WallTime now = wall_now();
    for (const auto& [key, when] : due) scheduler_.due_at(destination_named(key), when, now);
    hooks_.on_work();
  });
}

void Queue::refilled(const Refill& refill, Refilled read) {
  if (finishing_) return;
  RefillJobs jobs{read.page.rows, read.page.rows.size()};
  for (const MessageInfo& info : read.page.messages) jobs.infos.emplace(info.id, &info);
  for (QueueReader::Compact& one : read.fresh) {
    jobs.fresh.emplace(one.message.info.id, &one);
    jobs.infos.emplace(one.message.info.id, &one.message.info);
    for (StoredRecipient& r : one.message.recipients)
      if (r.destination == refill.key) jobs.rows.push_back({one.message.info.id, std::move(r)});
  }
  sort_into_jobs(jobs);
  WallTime now = wall_now();
  std::size_t taken = jobs.due_rows;  // rows before the first one refused
  bool refused = false;
  bool refused_elsewhere = false;
  std::vector<OverflowList::Entry> back;
  std::vector<MovedRecipient> moved;
  for (RefillGroup& group : jobs.groups) {
    auto fresh = jobs.fresh.find(group.info->id);
    bool is_compact = fresh != jobs.fresh.end();
    if (is_held_elsewhere(group, refill)) {
      if (is_compact) jobs.to_normalise.insert(group.info->id);
      for (const StoredRecipient* row : group.rows)
        if (!is_compact)
          moved.push_back({group.info->id, row->index, scheduler_.key(group.destination),
                           row->next_attempt_at});
      continue;
    }
    if (take_group(group, is_compact ? fresh->second : nullptr, now)) continue;
    refused = true;
    taken = std::min(taken, group.first);
    refused_elsewhere =
        refused_elsewhere || !working_.has_room() || group.destination != refill.destination;
    auto count = static_cast<std::uint32_t>(group.rows.size());
    if (is_compact && !back.empty() && back.back().id == group.info->id)
      back.back().recipients += count;
    else if (is_compact)
      back.push_back({group.info->id, count});
  }
  for (mail::QueueId id : jobs.to_normalise) normalise(id, {refill.key}, WallTime{});
  if (!moved.empty()) move(std::move(moved));
  back.insert(back.end(), read.unread.begin(), read.unread.end());
  backlog_.give_back(refill.key, back);
  // What is due but was not taken is asked for again. When that was for want of room at this
  // destination, the scheduler asks only when there is some; otherwise wait, or this would spin.
  std::optional<WallTime> next_due = read.page.next_due;
  if (refused || backlog_.waits(refill.key))
    next_due = refused_elsewhere ? now + kNoRoomPause : now;
  StoreCursor after = refill.after;
  if (taken > 0) {
    const DuePage::Row& last = jobs.rows[taken - 1];
    after = {last.recipient.next_attempt_at, last.message, last.recipient.index};
  }
  scheduler_.refilled(refill.destination, next_due, after, now);
  if (read.unpacked) scheduler_.read_again(destination_named(refill.key), now, now);
  hooks_.on_work();
}

}  // namespace postwain::qmgr
