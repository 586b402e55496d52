#include "qmgr/scheduling/scheduler.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/base/check.h"

namespace postwain::qmgr {

namespace {

// What a class may send in its turn, in recipients. A note waits for at most one turn of each other
// class.
constexpr std::array<std::int64_t, kLanes> kQuantum = {100, 50, 25, 25};
// What of all slots a lane may have, in twentieths: bulk and bounces leave some to notes, and dead
// destinations, whose attempts last longest, leave most to the living.
constexpr std::array<std::size_t, kLanes> kShare = {20, 18, 10, 4};
// Recipients: with less room, half of which may be bulk's, reading would find no place for what it
// read.
constexpr std::uint32_t kRoomToRead = 4;
constexpr std::size_t kPutOffAtOnce = 200;
constexpr std::size_t kBulkLane = static_cast<std::size_t>(TrafficClass::bulk);

std::size_t index_of(Pool pool) {
  return static_cast<std::size_t>(pool);
}

}  // namespace

void Scheduler::configure(std::vector<Duration> retry, std::vector<Duration> retry_mailbox) {
  retry_ = std::move(retry);
  retry_mailbox_ = std::move(retry_mailbox);
}

DestinationId Scheduler::destination(std::string_view key, const DestinationSettings& settings) {
  auto [entry, is_new] = by_key_.try_emplace(std::string(key), 0);
  if (!is_new) {
    Destination& d = at(entry->second);
    // The pool is part of the key's first word, so jobs and rings stay valid.
    d.health.set_cap(window_cap(settings), settings.connections > 0);
    if (d.settings.route != settings.route ||
        d.settings.route_connections != settings.route_connections)
      change_route(entry->second, settings);
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
  if (settings.route_connections > 0) routes_[settings.route].places = settings.route_connections;
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

bool Scheduler::offer(DestinationId id, Job& job, Source source, WallTime now) {
  Destination& d = at(id);
  PW_CHECK(!job.recipients.empty());
  if (!has_place(d, job.traffic_class, source, now)) return false;
  if (job.waiting_since == WallTime{}) job.waiting_since = now;
  d.earliest_milestone = std::min(d.earliest_milestone, job.milestone);
  count_in(d, job);
  JobQueue& jobs = d.jobs[static_cast<std::size_t>(job.traffic_class)];
  jobs.push(std::move(job));
  refresh(id, now);
  return true;
}

void Scheduler::count_in(Destination& d, const Job& job) {
  auto count = static_cast<std::uint32_t>(job.recipients.size());
  d.queued_recipients += count;
  if (job.traffic_class == TrafficClass::bulk) d.queued_bulk += count;
  queued_recipients_ += job.recipients.size();
  ++queued_jobs_;
  ++queued_in_pool_[index_of(d.settings.pool)];
}

void Scheduler::count_out(Destination& d, const Job& job) {
  auto count = static_cast<std::uint32_t>(job.recipients.size());
  d.queued_recipients -= count;
  if (job.traffic_class == TrafficClass::bulk) d.queued_bulk -= count;
  queued_recipients_ -= job.recipients.size();
  --queued_jobs_;
  --queued_in_pool_[index_of(d.settings.pool)];
}

void Scheduler::due_at(DestinationId id, WallTime when, WallTime now) {
  Destination& d = at(id);
  if (!d.store_due || when < *d.store_due) d.store_due = when;
  if (when <= d.cursor.due) restart_reading(d);
  refresh(id, now);
}

void Scheduler::read_again(DestinationId id, WallTime when, WallTime now) {
  restart_reading(at(id));
  due_at(id, when, now);
}

void Scheduler::withdraw(DestinationId id, mail::QueueId message, WallTime now) {
  Destination& d = at(id);
  std::vector<Job> taken;
  for (JobQueue& jobs : d.jobs)
    jobs.take_if([&](const Job& job) { return job.id == message; }, taken);
  for (const Job& job : taken) count_out(d, job);
  restart_reading(d);  // its rows lie behind us
  refresh(id, now);
}

void Scheduler::advance(WallTime now) {
  look_at_rates(now);
  std::vector<DestinationId> due;
  while (!wakes_.empty() && wakes_.begin()->first <= now) {
    due.push_back(wakes_.begin()->second);
    wakes_.erase(wakes_.begin());
    at(due.back()).wake.reset();
  }
  look_in_turn(std::move(due), now);
  for (PoolRings& pool : pools_) {
    std::uint32_t places = pool.unproven_places();
    wake_line(pool.unproven, places > 0 ? places : std::numeric_limits<std::uint32_t>::max(), now);
  }
  while (!starved_.empty() && queued_recipients_ < limits_.total_recipients * 3 / 4 &&
         queued_jobs_ < limits_.total_jobs * 3 / 4) {
    DestinationId id = starved_.front();
    starved_.pop_front();
    at(id).starved = false;
    refresh(id, now);
  }
}

// Who wakes for one thing that they share, as members of an MX set with a rate do, comes in the
// order in which they have had their last lease: else the same one would always be the first.
void Scheduler::look_in_turn(std::vector<DestinationId> ids, WallTime now) {
  std::erase_if(ids, [this](DestinationId id) { return slots_[id] == nullptr; });
  std::stable_sort(ids.begin(), ids.end(), [this](DestinationId a, DestinationId b) {
    return at(a).used_at < at(b).used_at;
  });
  for (DestinationId id : ids)
    if (slots_[id] != nullptr) refresh(id, now);
}

std::optional<WallTime> Scheduler::wake_at() const {
  if (wakes_.empty()) return std::nullopt;
  return wakes_.begin()->first;
}

bool Scheduler::PoolRings::closed(std::size_t lane) const {
  if (capacity == 0 || kShare[lane] == 20) return false;
  auto share = static_cast<std::int64_t>(capacity * kShare[lane] / 20);
  return running[lane] >= std::max<std::int64_t>(share, 1);
}

std::optional<Pick> Scheduler::next(Pool pool, WallTime now) {
  PoolRings& p = pools_[index_of(pool)];
  auto idle = [&p](std::size_t lane) { return p.rings[lane].empty() || p.closed(lane); };
  // A lane whose last lease was larger than its turn is in debt for a few rounds: the largest
  // lease divided by the smallest quantum bounds them.
  for (int visit = 0; visit < 48; ++visit) {
    std::size_t lane = p.turn;
    auto& ring = p.rings[lane];
    while (!idle(lane) && p.deficit[lane] > 0) {
      DestinationId id = ring.front();
      ring.pop_front();
      at(id).in_ring[lane] = false;
      if (bar(at(id), lane, now) != Bar::none || !has_step(id, now)) {
        place(id, now);
        set_wake(id, now);
        continue;
      }
      std::optional<Pick> pick = start(id, lane, now);
      // Put off. Those are written down before more are looked at; what follows wakes us again.
      if (!pick && put_off_.size() >= kPutOffAtOnce) return std::nullopt;
      if (!pick) continue;
      p.deficit[lane] -= static_cast<std::int64_t>(pick->job.recipients.size());
      return pick;
    }
    if (ring.empty()) p.deficit[lane] = std::min<std::int64_t>(p.deficit[lane], 0);
    p.turn = (lane + 1) % kLanes;
    if (!idle(p.turn))
      p.deficit[p.turn] = std::min(p.deficit[p.turn] + kQuantum[p.turn], kQuantum[p.turn]);
    bool any = false;
    for (std::size_t other = 0; other < kLanes; ++other) any = any || !idle(other);
    if (!any) return std::nullopt;
  }
  return std::nullopt;
}

std::size_t Scheduler::best_class(const Destination& d, WallTime now) const {
  std::size_t best = kTrafficClasses;
  double best_score = -1;
  for (std::size_t c = 0; c < kTrafficClasses; ++c) {
    if (!d.has(c)) continue;
    double score = d.jobs[c].best_score(now);
    if (score <= best_score) continue;
    best_score = score;
    best = c;
  }
  return best;
}

std::optional<Pick> Scheduler::start(DestinationId id, std::size_t lane, WallTime now) {
  Destination& d = at(id);
  Pick pick{id, take_job(d, lane, now), lane == kTrialLane};
  count_out(d, pick.job);
  if (suspects_of(d).held() > 0 && put_off(id, pick.job, now)) {
    refresh(id, now);
    return std::nullopt;
  }
  count_running(d, pick.job.traffic_class, pick.trial, +1);
  if (pick.trial) count_trial(d, +1);
  d.used_at = now;
  rates_.take(d.key, d.pace, d.set, rate_of(d), now);
  refresh(id, now);
  return pick;
}

// change: one attempt more (+1) or less (-1).
void Scheduler::count_running(Destination& d, TrafficClass c, bool trial, int change) {
  auto step = static_cast<std::uint32_t>(change);
  std::uint32_t bulk = c == TrafficClass::bulk ? step : 0;
  d.running += step;
  d.running_bulk += bulk;
  pool_of(d.settings.pool).running[trial ? kTrialLane : static_cast<std::size_t>(c)] += change;
  if (!d.health.is_proven()) {
    pool_of(d.settings.pool).unproven.running += step;
    pool_of(d.settings.pool).unproven.running_bulk += bulk;
  }
  if (RouteLimit* route = route_of(d)) {
    route->running += step;
    route->running_bulk += bulk;
  }
  if (d.set == nullptr) return;
  d.set->running += step;
  d.set->running_bulk += bulk;
}

HealthChange Scheduler::finished(const Pick& pick, AttemptEnd end, WallTime now,
                                 const BrokenAt& at_whom) {
  DestinationId id = pick.destination;
  Destination& d = at(id);
  PW_CHECK(d.running > 0);
  count_running(d, pick.job.traffic_class, pick.trial, -1);
  if (pick.trial) count_trial(d, -1);
  HealthChange changed;
  Suspects& suspects = suspects_of(d);
  switch (end) {
    case AttemptEnd::reached:
      if (!d.health.is_proven()) proven(id);
      if (!suspects.idle()) suspects.succeeded(pick.job.marks);
      changed.destination = d.health.succeeded();
      d.catching_up = d.catching_up || changed.destination;
      changed.mx_set = d.set != nullptr && d.set->health.succeeded();
      break;
    case AttemptEnd::broken_off:
      changed = broke_off(pick, now, at_whom);
      break;
    case AttemptEnd::unreachable:
      changed.destination = d.health.failed(now, steps_of(d), retry_of(d), unit());
      changed.mx_set =
          d.set != nullptr && d.set->health.failed(now, steps_of(d), retry_of(d), unit());
      break;
    case AttemptEnd::undecided:
      break;
  }
  if (end != AttemptEnd::broken_off && !suspects.idle()) suspects.undecided(pick.job.id, now);
  refresh(id, now);
  left(id, changed.mx_set, now);
  return changed;
}

std::vector<Refill> Scheduler::take_refills() {
  return std::exchange(refills_, {});
}

void Scheduler::refilled(DestinationId id, std::optional<WallTime> next_due,
                         const StoreCursor& after, WallTime now) {
  Destination& d = at(id);
  PW_CHECK(d.refilling);
  d.refilling = false;
  if (!d.cursor_lost) d.cursor = after;
  d.cursor_lost = false;
  d.more_follows = next_due && *next_due <= now;
  if (next_due && (!d.store_due || *next_due < *d.store_due)) d.store_due = next_due;
  refresh(id, now);
}

std::vector<Pick> Scheduler::take_milestones_due() {
  return std::exchange(milestones_due_, {});
}

// Nothing that is due is left.
void Scheduler::end_catching_up(Destination& d, WallTime now) {
  bool waits = d.has_any() || d.refilling || d.more_follows || d.half_open() ||
               (d.store_due && *d.store_due <= now);
  if (!waits) d.catching_up = false;
}

// Brings a destination's place in rings, refills and wake-ups in line with its state. Cheap enough
// to be called after every event that touches it.
void Scheduler::refresh(DestinationId id, WallTime now) {
  Destination& d = at(id);
  if (d.suspended_until && *d.suspended_until <= now) {
    d.suspended_until.reset();
    d.catching_up = true;
  }
  sweep(id, now);
  count_rate(id, now);
  place(id, now);
  want_refill(id, now);
  if (d.catching_up) end_catching_up(d, now);
  count_moving(d);
  if (!forget_if_idle(id, now)) set_wake(id, now);
}

// Into the rings, or into the line of the shared limit that has no room.
void Scheduler::place(DestinationId id, WallTime now) {
  Destination& d = at(id);
  if (!d.has_any()) return;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    if (d.in_ring[lane]) continue;
    switch (bar(d, lane, now)) {
      case Bar::none:
        d.in_ring[lane] = true;
        pools_[index_of(d.settings.pool)].rings[lane].push_back(id);
        break;
      case Bar::route:
        stand_in_line(id, *route_of(d), lane == kBulkLane);
        break;
      case Bar::mx_set:
        stand_in_line(id, *d.set, lane == kBulkLane);
        break;
      case Bar::unproven:
        stand_in_line(id, pool_of(d.settings.pool).unproven, lane == kBulkLane);
        break;
      case Bar::trial:
        want_trial(d, now);
        break;
      case Bar::own:
        break;
    }
  }
}

void Scheduler::sweep(DestinationId id, WallTime now) {
  Destination& d = at(id);
  if (!d.has_any() || d.earliest_milestone > now || !(d.half_open() || d.suspended_until)) return;
  d.earliest_milestone = WallTime::max();
  std::vector<Job> passed;
  for (JobQueue& jobs : d.jobs) {
    jobs.take_if([now](const Job& job) { return job.milestone <= now; }, passed);
    jobs.for_each([&d](const Job& job) {
      d.earliest_milestone = std::min(d.earliest_milestone, job.milestone);
    });
  }
  for (Job& job : passed) {
    count_out(d, job);
    milestones_due_.push_back({id, std::move(job), false});
  }
}

void Scheduler::want_refill(DestinationId id, WallTime now) {
  Destination& d = at(id);
  if (d.refilling || !d.store_due || *d.store_due > now) return;
  if (!wants_more(d)) return;
  if (std::min(room_for(d), job_room_for(d)) < kRoomToRead) {
    if (!d.starved) starved_.push_back(id);
    d.starved = true;
    return;
  }
  d.refilling = true;
  d.store_due.reset();
  // With nothing of it in memory no row is worth being left out.
  if (d.pins == 0 && !d.more_follows) d.cursor = {};
  d.cursor_lost = false;
  refills_.push_back({id, d.key,
                      std::min(limits_.refill_recipients, std::max(room_for(d), kRoomToRead)),
                      d.cursor});
}

void Scheduler::set_wake(DestinationId id, WallTime now) {
  Destination& d = at(id);
  std::optional<WallTime> wake;
  auto earliest = [&](WallTime t) {
    if (t > now && (!wake || t < *wake)) wake = t;
  };
  if (d.store_due) earliest(*d.store_due);
  if (d.suspended_until && *d.suspended_until != WallTime::max()) earliest(*d.suspended_until);
  if (d.has_any()) {
    for (const DestinationHealth* health : {&d.health, d.set != nullptr ? &d.set->health : nullptr})
      if (health != nullptr && health->is_open()) {
        earliest(health->hold_until());
        earliest(health->trial().again);
      }
    if (d.half_open() || d.suspended_until) earliest(d.earliest_milestone);
    if (std::optional<WallTime> due = rate_due(d, now)) earliest(*due);
  } else if (d.pins == 0 && d.running == 0 && !d.refilling && !d.store_due) {
    earliest(std::max(forget_at(d), now + std::chrono::seconds(1)));
  }
  move_wake(id, wake);
}

void Scheduler::move_wake(DestinationId id, std::optional<WallTime> when) {
  Destination& d = at(id);
  if (when == d.wake) return;
  if (d.wake) wakes_.erase({*d.wake, id});
  if (when) wakes_.insert({*when, id});
  d.wake = when;
}

WallTime Scheduler::forget_at(const Destination& d) const {
  WallTime last = d.health.is_open() ? std::max(d.used_at, d.health.hold_until()) : d.used_at;
  return last + limits_.idle_destination;
}

bool Scheduler::forget_if_idle(DestinationId id, WallTime now) {
  Destination& d = at(id);
  if (d.pins > 0 || d.running > 0 || d.refilling || d.store_due || d.has_any() || d.starved ||
      d.suspended_until || d.in_line[0] || d.in_line[1])
    return false;
  for (bool in_ring : d.in_ring)
    if (in_ring) return false;
  if (d.used_at == WallTime{}) d.used_at = now;
  if (now < forget_at(d)) return false;
  if (d.wake) wakes_.erase({*d.wake, id});
  rates_.forget(id);
  leave_set(id);
  by_key_.erase(d.key);
  slots_[id].reset();
  free_slots_.push_back(id);
  return true;
}

}  // namespace postwain::qmgr
