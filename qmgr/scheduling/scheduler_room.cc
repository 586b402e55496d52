// How much a destination may have: recipients in memory, attempts at once, attempts in a time. Each
// function reads the scheduler's state and changes nothing.
#include <algorithm>

#include "qmgr/scheduling/scheduler.h"

namespace postwain::qmgr {

namespace {

// Messages on their way over one connection; more is of no use (smtp::ClientEngine::kFlightMax).
constexpr std::uint32_t kFlightMax = 32;

}  // namespace

// How many recipients a destination may have queued: never more than what stays free for others.
std::uint32_t Scheduler::room_for(const Destination& d) const {
  std::size_t others = queued_recipients_ - d.queued_recipients;
  std::size_t free =
      limits_.total_recipients - std::min<std::size_t>(others, limits_.total_recipients);
  auto room = std::min(limits_.destination_recipients, static_cast<std::uint32_t>(free / 2));
  // What cannot go anywhere must not fill the memory.
  bool reached = d.health.is_proven() && !d.half_open() && !d.suspended_until;
  return reached || queued_jobs_ < kFairShareJobs ? room : std::min(room, kUnreachedRoom);
}

// One destination never has all the places there are for messages: half of what the others leave.
std::uint32_t Scheduler::job_room_for(const Destination& d) const {
  std::size_t others = queued_jobs_ - d.queued_jobs();
  std::size_t free = limits_.total_jobs - std::min<std::size_t>(others, limits_.total_jobs);
  return static_cast<std::uint32_t>(free / 2);
}

// Bulk has half of the room, so that a mailing leaves room for notes. While work waits in the
// store, new work takes only half of what there is.
bool Scheduler::has_place(const Destination& d, TrafficClass c, Source source, WallTime now) const {
  std::uint32_t room = room_for(d);
  bool bulk = c == TrafficClass::bulk;
  std::uint32_t mine = bulk ? d.queued_bulk : d.queued_recipients - d.queued_bulk;
  std::uint32_t limit = bulk ? room / 2 : room - std::min(room, d.queued_bulk);
  if (d.queued_jobs() >= job_room_for(d)) return false;
  bool older_waits = d.refilling || (d.store_due && *d.store_due <= now);
  if (source == Source::accepted && older_waits) limit /= 2;
  return mine < limit;
}

// A class whose place is taken refuses what is read for it: then nothing is read.
bool Scheduler::wants_more(const Destination& d) const {
  if (d.queued_jobs() > job_room_for(d) / 2) return false;
  std::uint32_t room = room_for(d);
  std::uint32_t others = d.queued_recipients - d.queued_bulk;
  return d.queued_bulk <= room / 4 && others <= (room - std::min(room, d.queued_bulk)) / 2;
}

Scheduler::Bar Scheduler::bar(const Destination& d, std::size_t lane, WallTime now) const {
  bool trial = lane == kTrialLane;
  if (d.half_open() != trial || !(trial ? d.has_any() : d.has(lane))) return Bar::own;
  if (d.suspended_until || rate_due(d, now)) return Bar::own;
  bool bulk = lane == static_cast<std::size_t>(TrafficClass::bulk);
  SharedLimit mine{d.running, d.running_bulk, {}};
  std::uint32_t own = d.health.slots(now);
  if (d.settings.connections > 0) own = std::min(own, attempts_for(d, d.settings.connections));
  if (!mine.has_room(bulk, own)) return Bar::own;
  const PoolRings& pool = pools_[static_cast<std::size_t>(d.settings.pool)];
  if (std::uint32_t places = pool.unproven_places(); places > 0 && !d.health.is_proven()) {
    // While many are tried, one attempt at each has to tell.
    if (d.running > 0 && pool.unproven.running >= places / 4) return Bar::own;
    if (!pool.unproven.has_room(bulk, places)) return Bar::unproven;
  }
  auto route = routes_.find(d.settings.route);
  if (d.settings.route_connections > 0 && route != routes_.end() &&
      !route->second.has_room(bulk, attempts_for(d, route->second.places)))
    return Bar::route;
  if (d.set != nullptr) {
    std::uint32_t places = places_in_set(d, now);
    if (places == 0) return Bar::own;  // ends by time
    if (!d.set->has_room(bulk, places)) return Bar::mx_set;
  }
  return trial && asks_for_trials_ && !has_trial(d) ? Bar::trial : Bar::none;
}

// bar() asks whether there is one; this counts them, and takes the less favourable side where that
// is cheaper: nothing is lost when a place is overlooked.
std::optional<std::uint32_t> Scheduler::free_places(DestinationId id, TrafficClass c,
                                                    WallTime now) const {
  const Destination& d = at(id);
  const PoolRings& pool = pools_[static_cast<std::size_t>(d.settings.pool)];
  const Suspects& suspects = d.set != nullptr ? d.set->suspects : d.suspects;
  if (d.half_open() || d.suspended_until || rate_of(d) || suspects.held() > 0 ||
      pool.capacity == 0 || pool.closed(static_cast<std::size_t>(c)))
    return std::nullopt;
  auto left = [](std::size_t places, std::size_t used) { return places - std::min(places, used); };
  std::size_t running = 0;
  for (std::int64_t in_lane : pool.running) running += static_cast<std::size_t>(in_lane);
  std::size_t free = std::min(left(pool.capacity, running), left(d.health.slots(now), d.running));
  if (d.settings.connections > 0)
    free = std::min(free, left(attempts_for(d, d.settings.connections), d.running));
  if (std::uint32_t places = pool.unproven_places(); places > 0 && !d.health.is_proven())
    free = std::min(free, left(places / 4, pool.unproven.running));
  auto route = routes_.find(d.settings.route);
  if (d.settings.route_connections > 0 && route != routes_.end())
    free = std::min(free, left(attempts_for(d, route->second.places), route->second.running));
  if (d.set != nullptr) free = std::min(free, left(places_in_set(d, now), d.set->running));
  if (c == TrafficClass::bulk) free = left(free, 1);
  return static_cast<std::uint32_t>(left(free, d.queued_jobs()));
}

// Where connections are counted the window may grow as far as they can carry.
std::uint32_t Scheduler::window_cap(const DestinationSettings& settings) {
  if (settings.connections == 0) return 0;
  std::uint32_t each =
      settings.in_flight > 0 ? std::min(settings.in_flight, kFlightMax) : kFlightMax;
  return settings.connections * (each + 1);
}

// Those on their way, and where messages follow each other the next one, which has to be there when
// a reply comes.
std::uint32_t Scheduler::attempts_per_connection(const Destination& d) {
  std::uint32_t most =
      d.settings.in_flight > 0 ? std::min(d.settings.in_flight, kFlightMax) : kFlightMax;
  return std::clamp(d.flight, 1U, most > 1 ? most + 1 : 1U);
}

std::uint32_t Scheduler::attempts_for(const Destination& d, std::uint32_t connections) {
  return connections * attempts_per_connection(d);
}

// What this member finds, with its own limit.
std::uint32_t Scheduler::places_in_set(const Destination& d, WallTime now) {
  std::uint32_t places = d.set->health.slots(now);
  if (d.settings.connections == 0) return places;
  return std::min(places, attempts_for(d, d.settings.connections));
}

LeaseRate Scheduler::rate_of(const Destination& d) {
  const DestinationSettings& s = d.settings;
  if (d.catching_up && s.drain_count > 0) return {s.drain_count, s.drain_period};
  return {s.rate_count, s.rate_period};
}

}  // namespace postwain::qmgr
