// Trials that have to be granted (scheduler_trials.h).
#include <algorithm>
#include <utility>

#include "qmgr/scheduling/scheduler.h"

namespace postwain::qmgr {

namespace {

bool lacks_trial(const DestinationHealth& health) {
  return health.is_open() && !health.trial().granted;
}

}  // namespace

bool Scheduler::has_trial(const Destination& d) {
  return !lacks_trial(d.health) && (d.set == nullptr || !lacks_trial(d.set->health));
}

void Scheduler::want_trial(Destination& d, WallTime now) {
  const bool of_set = d.set != nullptr && lacks_trial(d.set->health);
  SharedTrial& trial = of_set ? d.set->health.trial() : d.health.trial();
  if (trial.asked || now < trial.again) return;
  trial.asked = true;
  trials_wanted_.push_back({of_set ? d.set->key : d.key, of_set});
}

// change: one attempt more (+1) or less (-1) that is a trial.
void Scheduler::count_trial(Destination& d, int change) {
  d.health.trial().running += static_cast<std::uint32_t>(change);
  if (d.set != nullptr) d.set->health.trial().running += static_cast<std::uint32_t>(change);
}

DestinationHealth* Scheduler::health_at(const BreakerName& name) const {
  if (name.mx_set) {
    auto found = mx_sets_.find(name.key);
    return found == mx_sets_.end() ? nullptr : &found->second->health;
  }
  std::optional<DestinationId> id = find(name.key);
  return id ? &slots_[*id]->health : nullptr;
}

void Scheduler::refresh_all(const BreakerName& name, WallTime now) {
  if (!name.mx_set) {
    if (std::optional<DestinationId> id = find(name.key)) refresh(*id, now);
    return;
  }
  auto found = mx_sets_.find(name.key);
  if (found == mx_sets_.end()) return;
  for (DestinationId id : std::set<DestinationId>(found->second->members))
    if (slots_[id] != nullptr) refresh(id, now);
}

void Scheduler::grant_trial(const BreakerName& name, WallTime now) {
  DestinationHealth* health = health_at(name);
  // What it was asked for has ended meanwhile.
  if (health == nullptr || !health->is_open() || !health->trial().asked) return;
  health->trial().asked = false;
  health->trial().granted = true;
  refresh_all(name, now);
}

void Scheduler::refuse_trial(const BreakerName& name, WallTime again, WallTime now) {
  DestinationHealth* health = health_at(name);
  if (health == nullptr || !health->trial().asked) return;
  health->trial().asked = false;
  health->trial().again = again;
  refresh_all(name, now);
}

TrialUse Scheduler::trial_use(const BreakerName& name) const {
  const DestinationHealth* health = health_at(name);
  if (health == nullptr) return TrialUse::none;
  if (health->trial().running > 0) return TrialUse::running;
  return health->trial().granted ? TrialUse::waiting : TrialUse::none;
}

void Scheduler::revoke_trial(const BreakerName& name, WallTime now) {
  DestinationHealth* health = health_at(name);
  if (health == nullptr || !health->trial().granted) return;
  health->trial().granted = false;
  refresh_all(name, now);
}

bool Scheduler::close_breaker(DestinationId id, WallTime now) {
  Destination& d = at(id);
  if (!d.health.is_open()) return false;
  d.health.close();
  d.catching_up = true;
  refresh(id, now);
  return true;
}

bool Scheduler::close_set_breaker(std::string_view mx_set, WallTime now) {
  auto found = mx_sets_.find(std::string(mx_set));
  if (found == mx_sets_.end() || !found->second->health.is_open()) return false;
  MxSet& set = *found->second;
  set.health.close();
  if (set.members.empty())
    mx_sets_.erase(found);
  else
    set_changed(set, now);
  return true;
}

}  // namespace postwain::qmgr
