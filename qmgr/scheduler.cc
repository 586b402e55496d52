#include "qmgr/scheduler.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace postwain::qmgr {

namespace {

// What a class may send in its turn, in recipients. A note waits for at most one turn of each other
// class.
constexpr std::array<std::int64_t, kTrafficClasses> kQuantum = {100, 50, 25};

std::size_t index_of(Pool pool) {
  return static_cast<std::size_t>(pool);
}

}  // namespace

void Scheduler::configure(std::vector<Duration> retry, std::vector<Duration> retry_store) {
  retry_ = std::move(retry);
  retry_store_ = std::move(retry_store);
}

DestinationId Scheduler::destination(std::string_view key, const DestinationSettings& settings) {
  auto [entry, is_new] = by_key_.try_emplace(std::string(key), 0);
  if (!is_new) {
    Destination& d = at(entry->second);
    // The pool is part of the key's first word, so jobs and rings stay valid.
    if (d.settings.concurrency != settings.concurrency) d.health.set_cap(settings.concurrency);
    d.settings = settings;
    return entry->second;
  }
  DestinationId id;
  if (free_slots_.empty()) {
    id = static_cast<DestinationId>(slots_.size());
    slots_.emplace_back();
  } else {
    id = free_slots_.back();
    free_slots_.pop_back();
  }
  slots_[id] = std::make_unique<Destination>(key, settings);
  entry->second = id;
  return id;
}

std::optional<DestinationId> Scheduler::find(const std::string& key) const {
  auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::nullopt;
  return found->second;
}

void Scheduler::unpin(DestinationId id, std::uint32_t count, WallTime now) {
  Destination& d = at(id);
  PW_CHECK(d.pins >= count);
  d.pins -= count;
  if (d.pins == 0) refresh(id, now);
}

// How many recipients a destination may have queued: never more than what stays free for others.
std::uint32_t Scheduler::room_for(const Destination& d) const {
  std::size_t others = queued_recipients_ - d.queued_recipients;
  std::size_t free =
      limits_.total_recipients - std::min<std::size_t>(others, limits_.total_recipients);
  return std::min(limits_.window_recipients, static_cast<std::uint32_t>(free / 2));
}

bool Scheduler::offer(DestinationId id, Job& job, Source source, WallTime now) {
  Destination& d = at(id);
  PW_CHECK(!job.recipients.empty());
  std::uint32_t room = room_for(d);
  bool older_waits = d.refilling || (d.store_due && *d.store_due <= now);
  if (source == Source::fresh && older_waits) room /= 2;
  if (d.queued_recipients >= room) return false;
  d.queued_recipients += static_cast<std::uint32_t>(job.recipients.size());
  queued_recipients_ += job.recipients.size();
  d.earliest_milestone = std::min(d.earliest_milestone, job.milestone);
  d.jobs[static_cast<std::size_t>(job.traffic_class)].push_back(std::move(job));
  ++queued_jobs_;
  ++queued_in_pool_[index_of(d.settings.pool)];
  refresh(id, now);
  return true;
}

void Scheduler::due_at(DestinationId id, WallTime when, WallTime now) {
  Destination& d = at(id);
  if (!d.store_due || when < *d.store_due) d.store_due = when;
  refresh(id, now);
}

void Scheduler::withdraw(DestinationId id, mail::QueueId message, WallTime now) {
  Destination& d = at(id);
  for (std::size_t c = 0; c < kTrafficClasses; ++c) {
    std::vector<Job> kept;
    while (d.has(c)) {
      Job job = pop(d, c);
      if (job.id != message) kept.push_back(std::move(job));
    }
    put_back(d, c, std::move(kept));
  }
  refresh(id, now);
}

void Scheduler::advance(WallTime now) {
  while (!wakes_.empty() && wakes_.begin()->first <= now) {
    DestinationId id = wakes_.begin()->second;
    wakes_.erase(wakes_.begin());
    at(id).wake.reset();
    refresh(id, now);
  }
  while (!starved_.empty() && queued_recipients_ < limits_.total_recipients * 3 / 4) {
    DestinationId id = starved_.front();
    starved_.pop_front();
    at(id).starved = false;
    refresh(id, now);
  }
}

std::optional<WallTime> Scheduler::wake_at() const {
  if (wakes_.empty()) return std::nullopt;
  return wakes_.begin()->first;
}

std::optional<Pick> Scheduler::next(Pool pool, WallTime now) {
  PoolRings& p = pools_[index_of(pool)];
  // A class whose last lease was larger than its turn is in debt for a few rounds: the largest
  // lease divided by the smallest quantum bounds them.
  for (int visit = 0; visit < 48; ++visit) {
    std::size_t c = p.turn;
    auto& ring = p.rings[c];
    while (!ring.empty() && p.deficit[c] > 0) {
      DestinationId id = ring.front();
      ring.pop_front();
      at(id).in_ring[c] = false;
      if (!eligible(at(id), c, now)) {
        set_wake(id, now);
        continue;
      }
      Pick pick = start(id, c, now);
      p.deficit[c] -= static_cast<std::int64_t>(pick.job.recipients.size());
      return pick;
    }
    if (ring.empty()) p.deficit[c] = std::min<std::int64_t>(p.deficit[c], 0);
    p.turn = (c + 1) % kTrafficClasses;
    if (!p.rings[p.turn].empty())
      p.deficit[p.turn] = std::min(p.deficit[p.turn] + kQuantum[p.turn], kQuantum[p.turn]);
    if (std::all_of(p.rings.begin(), p.rings.end(), [](const auto& r) { return r.empty(); }))
      return std::nullopt;
  }
  return std::nullopt;
}

Pick Scheduler::start(DestinationId id, std::size_t c, WallTime now) {
  Destination& d = at(id);
  Pick pick{id, pop(d, c)};
  ++d.running;
  if (c == static_cast<std::size_t>(TrafficClass::bulk)) ++d.running_bulk;
  d.used_at = now;
  if (d.settings.rate_count > 0)
    d.rate_next = std::max(d.rate_next, now) + d.settings.rate_period / d.settings.rate_count;
  refresh(id, now);
  return pick;
}

bool Scheduler::finished(DestinationId id, TrafficClass traffic_class, AttemptEnd end,
                         WallTime now) {
  Destination& d = at(id);
  PW_CHECK(d.running > 0);
  --d.running;
  if (traffic_class == TrafficClass::bulk) --d.running_bulk;
  bool changed = false;
  switch (end) {
    case AttemptEnd::reached:
      changed = d.health.succeeded();
      break;
    case AttemptEnd::unreachable:
      changed = d.health.failed(now, d.settings.store_schedule ? kStoreSteps : kInternetSteps,
                                d.settings.store_schedule ? retry_store_ : retry_, unit());
      break;
    case AttemptEnd::undecided:
      break;
  }
  refresh(id, now);
  return changed;
}

std::vector<Refill> Scheduler::take_refills() {
  return std::exchange(refills_, {});
}

void Scheduler::refilled(DestinationId id, std::optional<WallTime> next_due, WallTime now) {
  Destination& d = at(id);
  PW_CHECK(d.refilling);
  d.refilling = false;
  if (next_due && (!d.store_due || *next_due < *d.store_due)) d.store_due = next_due;
  refresh(id, now);
}

std::vector<Pick> Scheduler::take_passed_over() {
  return std::exchange(passed_over_, {});
}

void Scheduler::restore_breaker(DestinationId id, const OpenBreaker& breaker, WallTime now) {
  // A stored hold is never longer than the longest step, whatever the clock did meanwhile.
  WallTime hold = std::min(breaker.hold_until, now + kInternetSteps.last);
  at(id).health.restore(breaker.opens, breaker.opened_at, hold);
  refresh(id, now);
}

void Scheduler::release_hold(DestinationId id, WallTime now) {
  at(id).health.release_hold();
  refresh(id, now);
}

std::vector<DestinationReport> Scheduler::report(std::size_t limit) const {
  std::vector<const Destination*> all;
  for (const auto& d : slots_)
    if (d) all.push_back(d.get());
  auto heavier = [](const Destination* a, const Destination* b) {
    if (a->health.is_open() != b->health.is_open()) return a->health.is_open();
    return a->queued_recipients + a->running > b->queued_recipients + b->running;
  };
  std::size_t count = std::min(limit, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), all.end(),
                    heavier);
  std::vector<DestinationReport> out;
  for (std::size_t i = 0; i < count; ++i) {
    const Destination& d = *all[i];
    out.push_back({d.key, d.queued_recipients, d.running, d.health.window(), d.health.is_open(),
                   d.health.hold_until()});
  }
  return out;
}

bool Scheduler::eligible(const Destination& d, std::size_t c, WallTime now) const {
  if (!d.has(c) || !rate_allows(d, now)) return false;
  std::uint32_t slots = d.health.slots(now);
  if (d.running >= slots) return false;
  bool bulk = c == static_cast<std::size_t>(TrafficClass::bulk);
  return !bulk || slots == 1 || d.running_bulk + 1 < slots;
}

bool Scheduler::rate_allows(const Destination& d, WallTime now) const {
  if (d.settings.rate_count == 0) return true;
  // A tenth of the period's amount may go at once after a pause.
  return d.rate_next <= now + d.settings.rate_period / 10;
}

Job Scheduler::pop(Destination& d, std::size_t c) {
  Job job = std::move(d.jobs[c][d.front[c]++]);
  if (d.front[c] == d.jobs[c].size()) {
    d.jobs[c].clear();
    d.front[c] = 0;
  } else if (d.front[c] >= 256) {
    d.jobs[c].erase(d.jobs[c].begin(), d.jobs[c].begin() + d.front[c]);
    d.front[c] = 0;
  }
  d.queued_recipients -= static_cast<std::uint32_t>(job.recipients.size());
  queued_recipients_ -= job.recipients.size();
  --queued_jobs_;
  --queued_in_pool_[index_of(d.settings.pool)];
  return job;
}

// Brings a destination's place in rings, refills and wake-ups in line with its state. Cheap enough
// to be called after every event that touches it.
void Scheduler::refresh(DestinationId id, WallTime now) {
  sweep(id, now);
  Destination& d = at(id);
  for (std::size_t c = 0; c < kTrafficClasses; ++c) {
    if (d.in_ring[c] || !eligible(d, c, now)) continue;
    d.in_ring[c] = true;
    pools_[index_of(d.settings.pool)].rings[c].push_back(id);
  }
  want_refill(id, now);
  if (!forget_if_idle(id, now)) set_wake(id, now);
}

void Scheduler::put_back(Destination& d, std::size_t c, std::vector<Job> jobs) {
  for (const Job& job : jobs) {
    d.queued_recipients += static_cast<std::uint32_t>(job.recipients.size());
    queued_recipients_ += job.recipients.size();
  }
  queued_jobs_ += jobs.size();
  queued_in_pool_[index_of(d.settings.pool)] += jobs.size();
  d.jobs[c] = std::move(jobs);
  d.front[c] = 0;
}

void Scheduler::sweep(DestinationId id, WallTime now) {
  Destination& d = at(id);
  if (!d.health.is_open() || !d.has_any() || d.earliest_milestone > now) return;
  d.earliest_milestone = WallTime::max();
  for (std::size_t c = 0; c < kTrafficClasses; ++c) {
    std::vector<Job> kept;
    while (d.has(c)) {
      Job job = pop(d, c);
      if (job.milestone <= now) {
        passed_over_.push_back({id, std::move(job)});
        continue;
      }
      d.earliest_milestone = std::min(d.earliest_milestone, job.milestone);
      kept.push_back(std::move(job));
    }
    put_back(d, c, std::move(kept));
  }
}

void Scheduler::want_refill(DestinationId id, WallTime now) {
  Destination& d = at(id);
  if (d.refilling || !d.store_due || *d.store_due > now) return;
  if (d.queued_recipients > room_for(d) / 2) return;
  if (room_for(d) == 0) {
    if (!d.starved) starved_.push_back(id);
    d.starved = true;
    return;
  }
  d.refilling = true;
  d.store_due.reset();
  refills_.push_back({id, d.key, d.pins + limits_.refill_recipients});
}

void Scheduler::set_wake(DestinationId id, WallTime now) {
  Destination& d = at(id);
  std::optional<WallTime> wake;
  auto earliest = [&](WallTime t) {
    if (t > now && (!wake || t < *wake)) wake = t;
  };
  if (d.store_due) earliest(*d.store_due);
  if (d.has_any()) {
    if (d.health.is_open()) {
      earliest(d.health.hold_until());
      earliest(d.earliest_milestone);
    }
    if (!rate_allows(d, now)) earliest(d.rate_next - d.settings.rate_period / 10);
  } else if (d.pins == 0 && d.running == 0 && !d.refilling && !d.store_due) {
    earliest(std::max(forget_at(d), now + std::chrono::seconds(1)));
  }
  if (wake == d.wake) return;
  if (d.wake) wakes_.erase({*d.wake, id});
  if (wake) wakes_.insert({*wake, id});
  d.wake = wake;
}

WallTime Scheduler::forget_at(const Destination& d) const {
  WallTime last = d.health.is_open() ? std::max(d.used_at, d.health.hold_until()) : d.used_at;
  return last + limits_.idle_destination;
}

bool Scheduler::forget_if_idle(DestinationId id, WallTime now) {
  Destination& d = at(id);
  if (d.pins > 0 || d.running > 0 || d.refilling || d.store_due || d.has_any() || d.starved)
    return false;
  for (bool in_ring : d.in_ring)
    if (in_ring) return false;
  if (d.used_at == WallTime{}) d.used_at = now;
  if (now < forget_at(d)) return false;
  if (d.wake) wakes_.erase({*d.wake, id});
  by_key_.erase(d.key);
  slots_[id].reset();
  free_slots_.push_back(id);
  return true;
}

}  // namespace postwain::qmgr
