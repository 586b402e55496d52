#include "qmgr/entering/suspensions.h"

#include "common/log/log.h"

#include "qmgr/routing/suspend_scope.h"

namespace postwain::qmgr {

void Suspensions::restore(Suspension suspension) {
  hold(std::move(suspension));
}

bool Suspensions::suspend(Suspension suspension) {
  const std::string& name = suspension.destination;
  if (all_.size() >= kSuspensionsMax && all_.count(name) == 0) return false;
  suspension.since = core_.clock.wall();
  log::Line(log::Level::warning, "suspended")
      .kv("destination", name)
      .kv("until", suspension.until == WallTime::max() ? std::string("further notice")
                                                       : format_rfc3339(suspension.until))
      .kv("by", suspension.author)
      .kv("reason", suspension.reason);
  write(DestinationFact(suspension));
  hold(std::move(suspension));
  return true;
}

void Suspensions::write(DestinationFact fact) {
  ++version_;
  core_.store.write(std::move(fact), [this] { ++version_; });
}

// There are kSuspensionsMax at most, so that is one read.
void Suspensions::look_again() {
  if (looking_) return;
  looking_ = true;
  read_then(
      core_.store,
      [](QueueStore& store) { return store.destinations().suspensions({}, kSuspensionsMax); },
      [this, version = version_](StoreResult<std::vector<Suspension>> stored) {
        looking_ = false;
        if (!stored) return core_.hooks.on_broken(stored.error());
        if (core_.finishing) return;
        if (version != version_) return look_again();
        found(stored.take());
      });
}

void Suspensions::found(std::vector<Suspension> stored) {
  std::map<std::string, Suspension> now;
  for (Suspension& one : stored) now.emplace(one.destination, std::move(one));
  std::vector<std::string> gone;
  for (const auto& [name, one] : all_)
    if (now.count(name) == 0) gone.push_back(name);
  for (const std::string& name : gone) {
    log::Line(log::Level::info, "resumed").kv("destination", name).kv("by", "another node");
    forget(name);
  }
  for (auto& [name, one] : now) {
    auto known = all_.find(name);
    if (known != all_.end() && known->second.since == one.since && known->second.until == one.until)
      continue;
    log::Line(log::Level::warning, "suspended")
        .kv("destination", name)
        .kv("until", one.until == WallTime::max() ? std::string("further notice")
                                                  : format_rfc3339(one.until))
        .kv("by", one.author)
        .kv("reason", one.reason);
    hold(std::move(one));
  }
}

// The destination of a domain's suspension has no recipients of its own: it wakes the queue when
// the time is over, and is shown. What is in memory for the domain was routed as if nothing held
// it: it goes back to the store and is routed anew, at a start as well as at an operator's word.
void Suspensions::hold(Suspension suspension) {
  const std::string name = suspension.destination;
  WallTime now = core_.clock.wall();
  core_.scheduler.suspend(destinations_.number_of(name), suspension.until, now);
  all_[name] = std::move(suspension);
  std::string domain(domain_of_scope(name));
  if (domain.empty() || !split_.add(domain)) return;
  put_back_.withdraw_all(
      [&](const WorkingRecipient& r) { return r.recipient.address.domain_key() == domain; });
  core_.hooks.on_work();
}

bool Suspensions::resume(const std::string& name, const std::string& author) {
  if (all_.count(name) == 0) return false;
  log::Line(log::Level::info, "resumed").kv("destination", name).kv("by", author);
  write(DestinationFact(RemoveSuspension{name}));
  forget(name);
  return true;
}

void Suspensions::forget(const std::string& name) {
  all_.erase(name);
  core_.scheduler.resume(destinations_.number_of(name), core_.clock.wall());
  if (std::string_view domain = domain_of_scope(name); !domain.empty())
    free_domain(std::string(domain));
  core_.hooks.on_work();
}

// What was split off for it is read again, and then goes where all other mail goes.
void Suspensions::free_domain(const std::string& domain) {
  std::set<std::string> keys = split_.take(domain);
  put_back_.withdraw_all([&](const WorkingRecipient& r) {
    return keys.count(core_.scheduler.key(r.destination)) > 0;
  });
  WallTime now = core_.clock.wall();
  for (const std::string& key : keys)
    if (auto id = core_.scheduler.find(key)) {
      core_.scheduler.resume(*id, now);
      core_.scheduler.read_again(*id, now, now);
    }
}

// Where another node has extended it, the next look at what is stored finds it again.
void Suspensions::end_over(WallTime now) {
  std::vector<EndSuspension> over;
  for (const auto& [key, one] : all_)
    if (one.until <= now) over.push_back({key, one.until});
  for (const EndSuspension& one : over) {
    log::Line(log::Level::info, "resumed")
        .kv("destination", one.destination)
        .kv("by", "its time is over");
    write(DestinationFact(one));
    forget(one.destination);
  }
}

const Suspension* Suspensions::find(const std::string& name, WallTime now) const {
  auto found = all_.find(name);
  return found != all_.end() && found->second.until > now ? &found->second : nullptr;
}

}  // namespace postwain::qmgr
