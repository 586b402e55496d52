// What is kept of destinations besides their work: breakers, the hosts behind them, suspensions.
// From the store at start, and back to it at each change.
#include <algorithm>

#include "common/log/log.h"

#include "qmgr/model/held_domains.h"
#include "qmgr/queue/queue.h"

namespace postwain::qmgr {

namespace {

// Breakers of MX sets stand in the same table as those of destinations.
constexpr std::string_view kMxSetPrefix = "mxset:";
constexpr std::size_t kBroughtForward = 1000;  // recipients at the end of an outage
constexpr std::size_t kMxSetKeyMax = 4000;
constexpr Duration kMxSetKept = std::chrono::hours(24 * 60);  // unseen for so long: forgotten
// Nothing was sent there for so long since a breaker would have let it: perhaps no route leads
// there any more.
constexpr Duration kBreakerKept = std::chrono::hours(24);

}  // namespace

// --- after start -----------------------------------------------------------------------------

void Queue::read_mx_sets(std::string after) {
  store_->read([this, after = std::move(after)](QueueStore& store) -> StoreWorker::Completion {
    auto found = std::make_shared<StoreResult<std::vector<KnownMxSet>>>(
        store.destinations().mx_sets(after, kRecoverDestinations));
    return [this, found] {
      if (!*found) return hooks_.on_broken(found->error());
      for (KnownMxSet& known : **found)
        if (mx_sets_.size() < kMxSetsKnown) mx_sets_[known.destination] = known.hosts;
      bool more = (*found)->size() == kRecoverDestinations && mx_sets_.size() < kMxSetsKnown;
      if (more) return read_mx_sets((*found)->back().destination);
      WallTime old = wall_now() - kMxSetKept;
      store_->write(DestinationFact(RemoveMxSetsBefore{old}));
      read_suspensions({});
    };
  });
}

void Queue::read_suspensions(std::string after) {
  store_->read([this, after = std::move(after)](QueueStore& store) -> StoreWorker::Completion {
    auto found = std::make_shared<StoreResult<std::vector<Suspension>>>(
        store.destinations().suspensions(after, kRecoverDestinations));
    return [this, found] {
      if (!*found) return hooks_.on_broken(found->error());
      WallTime now = wall_now();
      for (Suspension& one : **found) {
        scheduler_.suspend(destination_named(one.destination), one.until, now);
        std::string domain(domain_of_scope(one.destination));
        if (!domain.empty()) held_domains_[domain];
        suspensions_[one.destination] = std::move(one);
      }
      if ((*found)->size() == kRecoverDestinations && suspensions_.size() < kSuspensionsMax)
        return read_suspensions(suspensions_.rbegin()->first);
      read_breakers({});
    };
  });
}

void Queue::restore(const OpenBreaker& breaker) {
  WallTime now = wall_now();
  const std::string& key = breaker.destination;
  if (breaker.hold_until + kBreakerKept < now) {
    store_->write(DestinationFact(RemoveBreaker{key}));
    return;
  }
  breaker_reasons_[key] = breaker.reason;
  if (key.compare(0, kMxSetPrefix.size(), kMxSetPrefix) == 0)
    scheduler_.restore_set_breaker(std::string_view(key).substr(kMxSetPrefix.size()), breaker, now);
  else
    scheduler_.restore_breaker(destination_named(key), breaker, now);
}

// --- breakers --------------------------------------------------------------------------------

void Queue::finished(const Pick& pick, const AttemptSummary& summary, const std::string& reason) {
  WallTime now = wall_now();
  DestinationId id = pick.destination;
  std::string key = scheduler_.key(id);
  const MxSet* set = scheduler_.mx_set(id);
  std::string set_key = set != nullptr ? std::string(kMxSetPrefix) + set->key : std::string();
  BrokenAt at{0, reason};
  WorkingMessage* message =
      summary.end() == AttemptEnd::broken_off ? working_.find(pick.job.id) : nullptr;
  const WorkingRecipient* broken =
      message != nullptr && summary.broken_at() ? message->find(*summary.broken_at()) : nullptr;
  if (broken != nullptr) at.recipient = mark_of(broken->recipient.address);
  HealthChange changed = scheduler_.finished(pick, summary.end(), now, at);
  if (changed.suspect && message != nullptr)
    log::Line(log::Level::warning, "breaker")
        .kv("destination", key)
        .kv("state", "open")
        .kv("whose", name_of(changed.suspect->kind))
        .kv("from", message->info.envelope.reverse_path.text())
        .kv("to", broken != nullptr ? broken->recipient.address.text() : std::string())
        .kv("until", format_rfc3339(changed.suspect->until))
        .kv("reason", reason);
  if (changed.destination) keep_breaker(key, scheduler_.health(id), reason);
  if (changed.destination && !scheduler_.health(id).is_open()) is_back(id, key);
  if (changed.mx_set) keep_breaker(set_key, scheduler_.mx_set(id)->health, reason);
}

// Those that found nobody there need not wait for the next step of their schedule: they are the
// oldest, and no reason is left.
void Queue::is_back(DestinationId id, const std::string& key) {
  scheduler_.pin(id, 1);
  WallTime now = wall_now();
  store_->write(WaitingFact(BringForward{key, now, kBroughtForward}), [this, id] {
    if (finishing_) return;
    WallTime later = wall_now();
    scheduler_.read_again(id, later, later);
    scheduler_.unpin(id, 1, later);
    hooks_.on_work();
  });
}

void Queue::keep_breaker(const std::string& key, const DestinationHealth& health,
                         const std::string& reason) {
  if (!health.is_open()) {
    breaker_reasons_.erase(key);
    log::Line(log::Level::info, "breaker").kv("destination", key).kv("state", "closed");
    store_->write(DestinationFact(RemoveBreaker{key}));
    return;
  }
  breaker_reasons_[key] = reason;
  log::Line(log::Level::warning, "breaker")
      .kv("destination", key)
      .kv("state", "open")
      .kv("opens", health.opens())
      .kv("until", format_rfc3339(health.hold_until()))
      .kv("reason", reason);
  OpenBreaker breaker{key, health.opens(), health.opened_at(), health.hold_until(), reason};
  store_->write(DestinationFact(breaker));
}

// --- the hosts behind a domain ---------------------------------------------------------------

void Queue::note_mx_set(DestinationId id, const std::string& mx_set) {
  const std::string& key = scheduler_.key(id);
  if (mx_set.empty() || mx_set.size() > kMxSetKeyMax || key.compare(0, 3, "mx:") != 0) return;
  const MxSet* known = scheduler_.mx_set(id);
  if (known != nullptr && known->key == mx_set) return;
  scheduler_.associate(id, mx_set, wall_now());
  // Full: those that are not asked for any more go, none in particular.
  if (mx_sets_.size() >= kMxSetsKnown && mx_sets_.count(key) == 0) mx_sets_.erase(mx_sets_.begin());
  mx_sets_[key] = mx_set;
  store_->write(DestinationFact(PutMxSet{{key, mx_set}, wall_now()}));
}

void Queue::recall_mx_set(DestinationId id, const std::string& key) {
  if (mx_sets_.empty() || scheduler_.mx_set(id) != nullptr) return;
  auto known = mx_sets_.find(key);
  if (known != mx_sets_.end()) scheduler_.associate(id, known->second, wall_now());
}

// --- suspensions -----------------------------------------------------------------------------

Routed Queue::route(const mail::Address& recipient, const mail::Address& sender) const {
  Routed routed = router_->route(recipient, sender);
  if (held_domains_.empty()) return routed;
  std::string domain = recipient.domain_key();
  if (held_domains_.count(domain) > 0) routed.key = held_key(routed.key, domain);
  return routed;
}

// A destination that was split off for a domain stays suspended as long as the domain is.
void Queue::keep_held(DestinationId id, const std::string& key) {
  if (held_domains_.empty()) return;
  auto held = held_domains_.find(std::string(held_domain(key)));
  if (held == held_domains_.end() || !held->second.insert(key).second) return;
  scheduler_.suspend(id, WallTime::max(), wall_now());
}

bool Queue::suspend(Suspension suspension) {
  const std::string name = suspension.destination;
  if (suspensions_.size() >= kSuspensionsMax && suspensions_.count(name) == 0) return false;
  WallTime now = wall_now();
  suspension.since = now;
  // That of a domain has no recipients of its own: it wakes us when the time is over, and is shown.
  scheduler_.suspend(destination_named(name), suspension.until, now);
  log::Line(log::Level::warning, "suspended")
      .kv("destination", name)
      .kv("until", suspension.until == WallTime::max() ? std::string("further notice")
                                                       : format_rfc3339(suspension.until))
      .kv("by", suspension.author)
      .kv("reason", suspension.reason);
  store_->write(DestinationFact(suspension));
  suspensions_[name] = std::move(suspension);
  std::string domain(domain_of_scope(name));
  if (domain.empty() || !held_domains_.try_emplace(domain).second) return true;
  route_again(
      [&](const WorkingRecipient& r) { return r.recipient.address.domain_key() == domain; });
  hooks_.on_work();
  return true;
}

bool Queue::resume(const std::string& name, const std::string& author) {
  if (suspensions_.erase(name) == 0) return false;
  log::Line(log::Level::info, "resumed").kv("destination", name).kv("by", author);
  store_->write(DestinationFact(RemoveSuspension{name}));
  scheduler_.resume(destination_named(name), wall_now());
  if (std::string_view domain = domain_of_scope(name); !domain.empty())
    free_domain(std::string(domain));
  hooks_.on_work();
  return true;
}

// What was split off for it is read again, and then goes where all other mail goes.
void Queue::free_domain(const std::string& domain) {
  auto held = held_domains_.extract(domain);
  if (held.empty()) return;
  const std::set<std::string>& keys = held.mapped();
  route_again(
      [&](const WorkingRecipient& r) { return keys.count(scheduler_.key(r.destination)) > 0; });
  WallTime now = wall_now();
  for (const std::string& key : keys)
    if (auto id = scheduler_.find(key)) {
      scheduler_.resume(*id, now);
      scheduler_.read_again(*id, now, now);
    }
}

std::string Queue::breaker_reason(const std::string& destination) const {
  auto found = breaker_reasons_.find(destination);
  return found == breaker_reasons_.end() ? std::string() : found->second;
}

std::optional<Wait> Queue::wait_at(const std::string& destination, WallTime now) const {
  std::string_view domain = held_domain(destination);
  std::string name = domain.empty() ? destination : domain_scope(domain);
  if (auto one = suspensions_.find(name); one != suspensions_.end() && one->second.until > now)
    return Wait{WaitCause::suspension, name, one->second.until, one->second.author,
                one->second.reason};
  auto id = scheduler_.find(destination);
  if (!id) return std::nullopt;
  if (const DestinationHealth& own = scheduler_.health(*id); own.is_open())
    return Wait{WaitCause::breaker, destination, own.hold_until(), {}, breaker_reason(destination)};
  const MxSet* set = scheduler_.mx_set(*id);
  if (set == nullptr || !set->health.is_open()) return std::nullopt;
  return Wait{WaitCause::breaker,
              set->key,
              set->health.hold_until(),
              {},
              breaker_reason(std::string(kMxSetPrefix) + set->key)};
}

void Queue::end_suspensions(WallTime now) {
  std::vector<std::string> over;
  for (const auto& [key, one] : suspensions_)
    if (one.until <= now) over.push_back(key);
  for (const std::string& key : over) resume(key, "its time is over");
}

// --- the clock --------------------------------------------------------------------------------

bool Queue::look_at_clock(WallTime now, MonoTime mono) {
  ObservedTime::Look look = observed_.look(now, mono);
  if (look.gap) store_->write(ClockFact(AllClockGaps{observed_.gaps()}));
  // Set back: what is stored stays, so that the next start sees it, too.
  if (look.jumped ? look.gap.has_value() : now - clock_stored_at_ >= kClockHeartbeat) {
    clock_stored_at_ = now;
    store_->write(ClockFact(LastSeen{now}));
  }
  if (look.jumped)
    log::Line(log::Level::warning, "clock_jumped")
        .kv("by", (look.by < Duration(0) ? "-" : "+") + format_duration(std::chrono::abs(look.by)));
  return look.jumped;
}

}  // namespace postwain::qmgr
