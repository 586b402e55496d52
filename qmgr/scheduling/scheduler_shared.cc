// What comes from outside a destination's own attempts: breakers and suspensions put on it, the
// limits it shares with others, and what is told of it.
#include <algorithm>
#include <cstdint>
#include <utility>

#include "qmgr/scheduling/scheduler.h"

namespace postwain::qmgr {

// After every change; a destination without jobs counts nothing, so it can be forgotten.
void Scheduler::count_moving(Destination& d) {
  bool moving = d.running > 0 && d.health.is_proven() && !d.half_open() && !d.suspended_until;
  std::size_t jobs = moving ? d.queued_jobs() : 0;
  moving_jobs_ = moving_jobs_ - d.moving + jobs;
  d.moving = jobs;
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

void Scheduler::restore_set_breaker(std::string_view mx_set, const OpenBreaker& breaker,
                                    WallTime now) {
  std::unique_ptr<MxSet>& set = mx_sets_[std::string(mx_set)];
  if (!set) set = std::make_unique<MxSet>(std::string(mx_set));
  WallTime hold = std::min(breaker.hold_until, now + kInternetSteps.last);
  set->health.restore(breaker.opens, breaker.opened_at, hold);
  set_changed(*set, now);
}

void Scheduler::suspend(DestinationId id, WallTime until, WallTime now) {
  at(id).suspended_until = until;
  refresh(id, now);
}

void Scheduler::resume(DestinationId id, WallTime now) {
  Destination& d = at(id);
  d.catching_up = d.catching_up || d.suspended_until;
  d.suspended_until.reset();
  refresh(id, now);
}

void Scheduler::restart_reading(Destination& d) {
  d.cursor = {};
  d.cursor_lost = true;
}

// --- the hosts behind several destinations ----------------------------------------------------

void Scheduler::associate(DestinationId id, std::string_view mx_set, WallTime now) {
  Destination& d = at(id);
  if (d.set != nullptr ? d.set->key == mx_set : mx_set.empty()) return;
  MxSet* left = d.set != nullptr && d.set->members.size() > 1 ? d.set : nullptr;
  leave_set(id);
  d.pace.told.forget();  // that was of another sequence of steps
  if (!mx_set.empty()) {
    std::unique_ptr<MxSet>& set = mx_sets_[std::string(mx_set)];
    if (!set) set = std::make_unique<MxSet>(std::string(mx_set));
    d.set = set.get();
    d.set->members.insert(id);
    d.set->running += d.running;
    d.set->running_bulk += d.running_bulk;
    d.set->health.trial().running += d.health.trial().running;
  }
  refresh(id, now);
  if (left != nullptr) wake_line(*left, left->health.slots(now), now);
}

void Scheduler::leave_set(DestinationId id) {
  Destination& d = at(id);
  if (d.set == nullptr) return;
  leave_line(id, *d.set);
  DestinationRates::leave(d.pace, *d.set);
  d.set->running -= d.running;
  d.set->running_bulk -= d.running_bulk;
  d.set->health.trial().running -= d.health.trial().running;
  d.set->members.erase(id);
  // An open breaker outlives its members: the next one must find it.
  if (d.set->members.empty() && !d.set->health.is_open()) mx_sets_.erase(std::string(d.set->key));
  d.set = nullptr;
}

// --- rates that other nodes share --------------------------------------------------------------

// Asked for a lease that could go now, or steps would be taken that nobody uses.
bool Scheduler::has_step(DestinationId id, WallTime now) {
  Destination& d = at(id);
  return rates_.ask(id, d.key, d.pace, d.set, rate_of(d), now);
}

void Scheduler::count_rate(DestinationId id, WallTime now) {
  Destination& d = at(id);
  if (d.set == nullptr) return;
  if (!rates_.count(d.pace, *d.set, d.has_any() ? rate_of(d) : LeaseRate())) return;
  for (DestinationId other : d.set->members)
    if (other != id && at(other).pace.told.is_kept()) {
      at(other).pace.told.forget();
      move_wake(other, now);
    }
}

void Scheduler::look_at_rates(WallTime now) {
  DestinationRates::News news = rates_.take_news();
  std::vector<DestinationId> ids = std::move(news.some);
  for (DestinationId id = 0; news.all && id < slots_.size(); ++id) ids.push_back(id);
  for (DestinationId id : ids)
    if (slots_[id] != nullptr) slots_[id]->pace.told.forget();
  look_in_turn(std::move(ids), now);
}

// --- lines -----------------------------------------------------------------------------------

RouteLimit* Scheduler::route_of(const Destination& d) {
  if (d.settings.route_connections == 0) return nullptr;
  return &routes_[d.settings.route];
}

void Scheduler::change_route(DestinationId id, const DestinationSettings& settings) {
  Destination& d = at(id);
  bool same = d.settings.route == settings.route && settings.route_connections > 0;
  if (same && d.settings.route_connections > 0) {
    routes_[settings.route].places = settings.route_connections;
    return;  // whoever stands in line goes on standing there
  }
  if (RouteLimit* route = route_of(d)) {
    leave_line(id, *route);
    route->running -= d.running;
    route->running_bulk -= d.running_bulk;
  }
  if (settings.route_connections == 0) return;
  RouteLimit& route = routes_[settings.route];
  route.places = settings.route_connections;
  route.running += d.running;
  route.running_bulk += d.running_bulk;
}

void Scheduler::stand_in_line(DestinationId id, SharedLimit& limit, bool bulk) {
  bool& in_line = at(id).in_line[bulk ? 1 : 0];
  if (in_line) return;
  in_line = true;
  limit.waiting[bulk ? 1 : 0].push_back(id);
}

void Scheduler::leave_line(DestinationId id, SharedLimit& limit) {
  for (std::size_t which = 0; which < 2; ++which)
    if (at(id).in_line[which] && std::erase(limit.waiting[which], id) > 0)
      at(id).in_line[which] = false;
}

// As many as there is room for; who is woken and cannot run for another reason has given its turn
// away.
void Scheduler::wake_line(SharedLimit& limit, std::uint32_t places, WallTime now) {
  std::uint32_t free = places > limit.running ? places - limit.running : 0;
  for (std::size_t which = 0; which < 2; ++which) {
    auto& line = limit.waiting[which];
    for (std::size_t left = line.size(); left > 0 && free > 0; --left) {
      if (!limit.has_room(which == 1, places)) break;
      DestinationId id = line.front();
      line.pop_front();
      at(id).in_line[which] = false;
      refresh(id, now);
      // refresh may have forgotten an idle one.
      if (slots_[id] == nullptr) continue;
      const auto& rings = slots_[id]->in_ring;
      if (std::find(rings.begin(), rings.end(), true) != rings.end()) --free;
    }
  }
}

// Its first success: from now on it counts among those that are reached.
void Scheduler::proven(DestinationId id) {
  Destination& d = at(id);
  SharedLimit& unproven = pool_of(d.settings.pool).unproven;
  unproven.running -= d.running;
  unproven.running_bulk -= d.running_bulk;
  leave_line(id, unproven);
}

// An attempt has ended: its places go to those in line. changed: the breaker of the MX set.
void Scheduler::left(DestinationId id, bool changed, WallTime now) {
  if (slots_[id] == nullptr) return;
  if (RouteLimit* route = route_of(at(id)))
    wake_line(*route, attempts_for(at(id), route->places), now);
  if (slots_[id] == nullptr) return;
  MxSet* set = at(id).set;
  if (set == nullptr) return;
  if (!changed) return wake_line(*set, places_in_set(at(id), now), now);
  set_changed(*set, now);
}

// A new hold: all in line must know when it ends. Its end: whoever was held with it is tried now.
void Scheduler::set_changed(MxSet& set, WallTime now) {
  bool closed = !set.health.is_open();
  for (std::size_t which = 0; which < 2; ++which)
    for (DestinationId waiting : std::exchange(set.waiting[which], {}))
      at(waiting).in_line[which] = false;
  std::vector<DestinationId> members(set.members.begin(), set.members.end());
  for (DestinationId member : members) {
    if (slots_[member] == nullptr) continue;
    if (closed) at(member).health.release_hold();
    refresh(member, now);
  }
}

// --- what is told ----------------------------------------------------------------------------

std::vector<DestinationReport> Scheduler::report(std::size_t limit) const {
  std::vector<const Destination*> all;
  for (const auto& d : slots_)
    if (d) all.push_back(d.get());
  auto heavier = [](const Destination* a, const Destination* b) {
    bool a_held = a->half_open() || a->suspended_until;
    bool b_held = b->half_open() || b->suspended_until;
    if (a_held != b_held) return a_held;
    return a->queued_recipients + a->running > b->queued_recipients + b->running;
  };
  std::size_t count = std::min(limit, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), all.end(),
                    heavier);
  std::vector<DestinationReport> out;
  for (std::size_t i = 0; i < count; ++i) {
    const Destination& d = *all[i];
    out.push_back({d.key, d.queued_recipients, d.running, d.health.window(), d.health.is_open(),
                   d.health.hold_until(), d.set != nullptr ? d.set->key : std::string(),
                   d.set != nullptr && d.set->health.is_open(), d.suspended_until, d.catching_up});
  }
  return out;
}

}  // namespace postwain::qmgr
