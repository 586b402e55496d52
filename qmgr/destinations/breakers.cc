#include "qmgr/destinations/breakers.h"

#include "common/log/log.h"

namespace postwain::qmgr {

namespace {

// Breakers of MX sets stand in the same table as those of destinations.
constexpr std::string_view kMxSetPrefix = "mxset:";
constexpr std::size_t kBroughtForward = 1000;  // recipients at the end of an outage
constexpr Duration kBreakerKept = std::chrono::hours(24);

std::string key_of(const MxSet& set) {
  return std::string(kMxSetPrefix) + set.key;
}

BreakerName breaker_of(const std::string& key) {
  if (key.compare(0, kMxSetPrefix.size(), kMxSetPrefix) != 0) return {key, false};
  return {key.substr(kMxSetPrefix.size()), true};
}

}  // namespace

void Breakers::share(BreakerSharing& sharing) {
  sharing_ = &sharing;
  core_.scheduler.ask_for_trials();
}

void Breakers::restore(const OpenBreaker& breaker) {
  if (breaker.hold_until + kBreakerKept >= core_.clock.wall()) return apply(breaker);
  if (sharing_ == nullptr) core_.store.write(DestinationFact(RemoveBreaker{breaker.destination}));
}

void Breakers::apply(const OpenBreaker& breaker) {
  WallTime now = core_.clock.wall();
  BreakerName name = breaker_of(breaker.destination);
  reasons_[breaker.destination] = breaker.reason;
  if (name.mx_set)
    core_.scheduler.restore_set_breaker(name.key, breaker, now);
  else
    core_.scheduler.restore_breaker(destinations_.number_of(name.key), breaker, now);
}

// --- what other nodes have done ---------------------------------------------------------------

void Breakers::opened_elsewhere(const OpenBreaker& breaker) {
  if (!is_known(breaker)) log_open(breaker);
  apply(breaker);
  core_.hooks.on_work();
}

// Our own comes back as well.
bool Breakers::is_known(const OpenBreaker& breaker) const {
  const DestinationHealth* health = core_.scheduler.health_of(breaker_of(breaker.destination));
  return health != nullptr && health->opens() == breaker.opens;
}

void Breakers::closed_elsewhere(const std::string& key) {
  WallTime now = core_.clock.wall();
  BreakerName name = breaker_of(key);
  reasons_.erase(key);
  std::optional<DestinationId> id;
  if (!name.mx_set) id = core_.scheduler.find(name.key);
  bool closed = name.mx_set ? core_.scheduler.close_set_breaker(name.key, now)
                            : id && core_.scheduler.close_breaker(*id, now);
  if (!closed) return;
  log::Line(log::Level::info, "breaker").kv("destination", key).kv("state", "closed");
  if (id) is_back(*id, key);
  core_.hooks.on_work();
}

void Breakers::advance() {
  if (sharing_ == nullptr) return;
  std::vector<std::string> keys;
  for (const BreakerName& name : core_.scheduler.take_trials_wanted())
    keys.push_back(name.mx_set ? std::string(kMxSetPrefix) + name.key : name.key);
  if (!keys.empty()) sharing_->want_trials(keys);
}

void Breakers::grant_trial(const std::string& key) {
  core_.scheduler.grant_trial(breaker_of(key), core_.clock.wall());
  core_.hooks.on_work();
}

void Breakers::refuse_trial(const std::string& key, WallTime again) {
  core_.scheduler.refuse_trial(breaker_of(key), again, core_.clock.wall());
  core_.hooks.on_work();
}

void Breakers::revoke_trial(const std::string& key) {
  core_.scheduler.revoke_trial(breaker_of(key), core_.clock.wall());
}

TrialUse Breakers::trial_use(const std::string& key) const {
  return core_.scheduler.trial_use(breaker_of(key));
}

// --- what attempts have told ------------------------------------------------------------------

void Breakers::finished(const Pick& pick, const AttemptSummary& summary,
                        const std::string& reason) {
  DestinationId id = pick.destination;
  std::string key = core_.scheduler.key(id);
  const MxSet* set = core_.scheduler.mx_set(id);
  std::string set_key = set != nullptr ? key_of(*set) : std::string();
  BrokenAt at{0, reason};
  WorkingMessage* message =
      summary.end() == AttemptEnd::broken_off ? core_.working.find(pick.job.id) : nullptr;
  const WorkingRecipient* broken =
      message != nullptr && summary.broken_at() ? message->find(*summary.broken_at()) : nullptr;
  if (broken != nullptr) at.recipient = mark_of(broken->recipient.address);
  HealthChange changed = core_.scheduler.finished(pick, summary.end(), core_.clock.wall(), at);
  if (changed.suspect && message != nullptr) log_suspect(pick, changed, *message, broken, reason);
  if (changed.destination) keep(key, core_.scheduler.health(id), reason);
  if (changed.destination && !core_.scheduler.health(id).is_open()) is_back(id, key);
  if (changed.mx_set) keep(set_key, core_.scheduler.mx_set(id)->health, reason);
}

void Breakers::log_suspect(const Pick& pick, const HealthChange& changed,
                           const WorkingMessage& message, const WorkingRecipient* broken,
                           const std::string& reason) const {
  log::Line(log::Level::warning, "breaker")
      .kv("destination", core_.scheduler.key(pick.destination))
      .kv("state", "open")
      .kv("whose", name_of(changed.suspect->kind))
      .kv("from", message.info.envelope.reverse_path.text())
      .kv("to", broken != nullptr ? broken->recipient.address.text() : std::string())
      .kv("until", format_rfc3339(changed.suspect->until))
      .kv("reason", reason);
}

// Recipients that found nobody there need not wait for the next step of their schedule: they are
// the oldest, and no reason is left.
void Breakers::is_back(DestinationId id, const std::string& key) {
  core_.scheduler.pin(id, 1);
  core_.store.write(WaitingFact(BringForward{key, core_.clock.wall(), kBroughtForward}),
                    [this, id] {
                      if (core_.finishing) return;
                      WallTime now = core_.clock.wall();
                      core_.scheduler.read_again(id, now, now);
                      core_.scheduler.unpin(id, 1, now);
                      core_.hooks.on_work();
                    });
}

void Breakers::keep(const std::string& key, const DestinationHealth& health,
                    const std::string& reason) {
  if (!health.is_open()) {
    reasons_.erase(key);
    log::Line(log::Level::info, "breaker").kv("destination", key).kv("state", "closed");
    if (sharing_ != nullptr) return sharing_->remove(key);
    core_.store.write(DestinationFact(RemoveBreaker{key}));
    return;
  }
  reasons_[key] = reason;
  OpenBreaker breaker{key, health.opens(), health.opened_at(), health.hold_until(), reason};
  log_open(breaker);
  if (sharing_ != nullptr) return sharing_->put(breaker, health.opens() == 1);
  core_.store.write(DestinationFact(breaker));
}

void Breakers::log_open(const OpenBreaker& breaker) const {
  log::Line(log::Level::warning, "breaker")
      .kv("destination", breaker.destination)
      .kv("state", "open")
      .kv("opens", breaker.opens)
      .kv("until", format_rfc3339(breaker.hold_until))
      .kv("reason", breaker.reason);
}

std::string Breakers::reason_at(const std::string& destination) const {
  auto found = reasons_.find(destination);
  return found == reasons_.end() ? std::string() : found->second;
}

std::string Breakers::reason_at_hosts(DestinationId id) const {
  const MxSet* set = core_.scheduler.mx_set(id);
  return set != nullptr ? reason_at(key_of(*set)) : std::string();
}

}  // namespace postwain::qmgr
