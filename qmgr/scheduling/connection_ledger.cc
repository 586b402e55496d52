#include "qmgr/scheduling/connection_ledger.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "qmgr/cluster/bounded_key.h"

namespace postwain::qmgr {

namespace {

// So much of a rate may go at once after a pause, as with a route's rate of messages.
Duration burst_of(const ipc::ConnectionBound& bound) {
  return bound.rate_period / 10;
}

// From one connection to the next, or from when it was asked for.
Duration longest_wait(const ipc::ConnectionBound& bound) {
  return burst_of(bound) + bound.rate_period / bound.rate_count;
}

cluster::Rate rate_of(const ipc::ConnectionBound& bound) {
  return {bound.rate_count, bound.rate_period};
}

std::string rate_key(const ipc::ConnectionBound& bound) {
  return cluster::bounded_key(
      fmt::format("{}{}/{}:", kConnectionRates, bound.rate_count, bound.rate_period.count()),
      bound.group, kRateKeyMax);
}

std::size_t octets_of(const std::vector<ipc::ConnectionBound>& bounds) {
  std::size_t sum = 0;
  for (const ipc::ConnectionBound& bound : bounds) sum += bound.group.size();
  return sum;
}

}  // namespace

bool ConnectionLedger::is_sane(const ipc::ConnectionRequest& request) {
  if (request.bounds.empty() || request.bounds.size() > ipc::ConnectionRequest::kBoundsMax)
    return false;
  return std::all_of(
      request.bounds.begin(), request.bounds.end(), [](const ipc::ConnectionBound& bound) {
        bool rate = bound.rate_count == 0 ||
                    (bound.rate_period > Duration{} && bound.rate_period <= kConnectionPeriodMax);
        return rate && !bound.group.empty() && bound.group.size() <= kGroupOctetsMax;
      });
}

bool ConnectionLedger::ask(Peer peer, const ipc::ConnectionRequest& request, MonoTime now) {
  if (!is_sane(request)) return false;
  OfPeer& sums = of_peer_[peer];
  const std::size_t octets = octets_of(request.bounds);
  if (sums.entries >= kConnectionsOfPeerMax || sums.octets + octets > kGroupOctetsOfPeerMax)
    return false;
  auto [found, is_new] = entries_.try_emplace({peer, request.request});
  if (!is_new) return false;
  ++sums.entries;
  sums.octets += octets;
  Entry& entry = found->second;
  entry.owner = request.owner;
  entry.bounds = request.bounds;
  if (request.held) {
    hold(peer, entry);
    return true;
  }
  entry.turn = ++last_turn_;
  entry.since = now;
  for (const ipc::ConnectionBound& bound : entry.bounds)
    groups_[bound.group].line.emplace(entry.turn, found->first);
  for (const ipc::ConnectionBound& bound : request.bounds) look_at(bound.group, now);
  return true;
}

void ConnectionLedger::end(Peer peer, std::uint64_t request, MonoTime now) {
  auto found = entries_.find({peer, request});
  if (found != entries_.end()) remove(found, kPlaceRest, now);
}

void ConnectionLedger::lost(Peer peer, MonoTime now) {
  for (;;) {
    auto found = entries_.lower_bound({peer, 0});
    if (found == entries_.end() || found->first.first != peer) break;
    remove(found, kLostRest, now);
  }
  of_peer_.erase(peer);
}

void ConnectionLedger::advance(MonoTime now) {
  if (is_shared() != was_shared_) rates_changed(now);
  while (!wakes_.empty() && wakes_.begin()->first <= now) {
    std::string name = std::move(wakes_.extract(wakes_.begin()).value().second);
    look_at(name, now);
  }
}

void ConnectionLedger::open(MonoTime now) {
  if (std::exchange(open_, true)) return;
  look_at_all(now);
}

void ConnectionLedger::look_at_all(MonoTime now) {
  std::vector<std::string> names;
  for (const auto& [name, group] : groups_) names.push_back(name);
  for (const std::string& name : names) look_at(name, now);
}

ConnectionLedger::Count ConnectionLedger::count(const std::string& hosts) const {
  Count out;
  const std::string begin = hosts + "\n";
  for (auto it = groups_.lower_bound(begin); it != groups_.end() && it->first.starts_with(begin);
       ++it) {
    out.open += it->second.open;
    out.waiting += static_cast<std::uint32_t>(it->second.line.size());
    if (it->second.allowed) out.places = out.places.value_or(0) + *it->second.allowed;
  }
  return out;
}

// --- bounds that hold over several nodes -------------------------------------------------------

std::uint32_t ConnectionLedger::shared_places(const Group& group,
                                              const ipc::ConnectionBound& bound) const {
  if (group.allowed) return *group.allowed;
  return bound.most >= *free_from_ ? 1 : 0;
}

void ConnectionLedger::share(std::optional<std::uint32_t> free_from,
                             const std::vector<Allowance>& allowances, MonoTime now) {
  std::set<std::string> changed;
  const bool all = std::exchange(free_from_, free_from) != free_from;
  std::set<std::string_view> named;
  for (const Allowance& one : allowances) {
    named.insert(one.group);
    Group& group = groups_[one.group];
    if (group.allowed != one.places || group.press != one.press) changed.insert(one.group);
    group.allowed = one.places;
    group.press = one.press;
  }
  for (auto& [name, group] : groups_) {
    if (group.allowed && named.count(name) == 0) {
      group.allowed.reset();
      group.press = false;
      changed.insert(name);
    }
    if (all) changed.insert(name);
  }
  for (const std::string& name : changed) look_at(name, now);
}

std::vector<ConnectionLedger::Demand> ConnectionLedger::demands() const {
  std::map<std::string_view, Demand> found;
  for (const auto& [key, entry] : entries_)
    for (const ipc::ConnectionBound& bound : entry.bounds) {
      if (bound.most == 0) continue;
      Demand& one = found[bound.group];
      one.limit = one.limit == 0 ? bound.most : std::min(one.limit, bound.most);
      if (!entry.given) ++one.waiting;
    }
  for (const auto& [name, group] : groups_)
    if (group.used() > 0 && group.most > 0 && found.count(name) == 0)
      found[name].limit = group.most;
  std::vector<Demand> out;
  for (auto& [name, one] : found) {
    one.group = name;
    if (auto group = groups_.find(one.group); group != groups_.end())
      one.used = group->second.used();
    out.push_back(std::move(one));
  }
  return out;
}

// --- rates that hold over several nodes --------------------------------------------------------

void ConnectionLedger::rates_changed(MonoTime now) {
  const std::set<std::string> waiting = std::exchange(waiting_, {});
  const bool shared = is_shared();
  const bool turned = shared != was_shared_;
  was_shared_ = shared;
  if (turned) {
    for (auto& [name, group] : groups_) group.told.forget();
    return look_at_all(now);
  }
  for (const std::string& name : waiting) {
    if (auto found = groups_.find(name); found != groups_.end()) found->second.told.forget();
    look_at(name, now);
  }
}

// For all of its bounds there is a step, or none is taken.
bool ConnectionLedger::has_steps(const Entry& entry, MonoTime now) {
  for (const ipc::ConnectionBound& bound : entry.bounds) {
    if (bound.rate_count == 0) continue;
    Group& group = groups_[bound.group];
    if (!group.told.bars(rate_of(bound), now)) {
      if (group.told.ask(*rates_, rate_key(bound), rate_of(bound), burst_of(bound), now)) continue;
      if (group.told.is_unknown()) waiting_.insert(bound.group);
    }
    wake_for_step(bound.group, group, now);
    return false;
  }
  return true;
}

// One wake for all that is told of a group: the names of groups are the client's, and long.
void ConnectionLedger::wake_for_step(const std::string& name, Group& group, MonoTime now) {
  if (group.step_wake > now && group.step_wake <= group.told.due()) return;
  group.step_wake = group.told.due();
  wakes_.insert({group.step_wake, name});
}

// Bounds that count alike have asked for the same step.
void ConnectionLedger::take_steps(const Entry& entry) {
  std::set<std::string> keys;
  for (const ipc::ConnectionBound& bound : entry.bounds)
    if (bound.rate_count > 0) keys.insert(rate_key(bound));
  for (const std::string& key : keys) rates_->take(key);
}

std::optional<MonoTime> ConnectionLedger::wake_at() const {
  if (wakes_.empty()) return std::nullopt;
  return wakes_.begin()->first;
}

void ConnectionLedger::hold(Peer peer, Entry& entry) {
  entry.given = true;
  for (const ipc::ConnectionBound& bound : entry.bounds) {
    Group& group = groups_[bound.group];
    group.most = bound.most;
    ++group.open;
    ++group.holders[{peer, entry.owner}].open;
  }
}

void ConnectionLedger::give(const Key& key, Entry& entry, MonoTime now) {
  hold(key.first, entry);
  const bool shared = is_shared();
  if (shared) take_steps(entry);
  for (const ipc::ConnectionBound& bound : entry.bounds) {
    Group& group = groups_[bound.group];
    group.line.erase(entry.turn);
    group.given_at = now;
    if (bound.rate_count == 0) continue;
    group.rate_next = std::clamp(group.rate_next, now, now + longest_wait(bound)) +
                      bound.rate_period / bound.rate_count;
    wakes_.insert({group.rate_next, bound.group});
    if (!shared) group.rate_alone = group.rate_next;
  }
  grants_.push_back({key.first, key.second});
}

bool ConnectionLedger::may_go(const Entry& entry, MonoTime now) {
  const bool shared = is_shared();
  for (const ipc::ConnectionBound& bound : entry.bounds) {
    Group& group = groups_[bound.group];
    if (is_full(group, bound)) return false;
    if (bound.rate_count == 0) continue;
    // Others may have said of the rate what they like: nobody waits for longer than his own
    // demands.
    MonoTime due = std::min((shared ? group.rate_alone : group.rate_next) - burst_of(bound),
                            std::max(entry.since, group.given_at) + longest_wait(bound));
    if (due <= now) continue;
    wakes_.insert({due, bound.group});
    return false;
  }
  return !shared || has_steps(entry, now);
}

void ConnectionLedger::remove(std::map<Key, Entry>::iterator found, Duration rest, MonoTime now) {
  Key key = found->first;
  Entry entry = std::move(found->second);
  entries_.erase(found);
  OfPeer& sums = of_peer_[key.first];
  --sums.entries;
  sums.octets -= octets_of(entry.bounds);
  std::erase_if(grants_, [&](const Grant& one) { return Key{one.peer, one.request} == key; });
  for (const ipc::ConnectionBound& bound : entry.bounds) {
    Group& group = groups_[bound.group];
    group.line.erase(entry.turn);
    if (!entry.given) continue;
    --group.open;
    auto holder = group.holders.find({key.first, entry.owner});
    --holder->second.open;
    if (holder->second.asked > 0) --holder->second.asked;
    if (holder->second.open == 0) group.holders.erase(holder);
    group.resting.insert(now + rest);
    wakes_.insert({now + rest, bound.group});
  }
  for (const ipc::ConnectionBound& bound : entry.bounds) look_at(bound.group, now);
}

// After everything that has happened to it, time included.
void ConnectionLedger::look_at(const std::string& name, MonoTime now) {
  auto found = groups_.find(name);
  if (found == groups_.end()) return;
  Group& group = found->second;
  group.resting.erase(group.resting.begin(), group.resting.upper_bound(now));
  if (open_) {
    serve(group, false, now);
    serve(group, true, now);
    if (group.press && group.open > *group.allowed) press_beyond(group);
    press(name, group);
  }
  if (!group.is_idle(now)) return;
  if (group.step_wake > now) wakes_.erase({group.step_wake, name});
  waiting_.erase(name);
  groups_.erase(found);
}

// In order of the line; all: those, too, whose owner has a connection already.
void ConnectionLedger::serve(Group& group, bool all, MonoTime now) {
  for (auto next = group.line.begin(); next != group.line.end();) {
    Key key = next->second;
    ++next;  // being given one takes it out of the line
    Entry& entry = entries_.at(key);
    bool has_one = group.holders.count({key.first, entry.owner}) > 0;
    if ((all || !has_one) && may_go(entry, now)) give(key, entry, now);
  }
}

// Other nodes are to have these places: somebody is asked for each that is open beyond what this
// node may have, whoever has most.
void ConnectionLedger::press_beyond(Group& group) {
  std::uint32_t asked = 0;
  for (const auto& [owner, holder] : group.holders) asked += holder.asked;
  auto left = [](const auto& holder) { return holder.second.open - holder.second.asked; };
  for (; asked < group.open - *group.allowed; ++asked) {
    auto most = std::max_element(
        group.holders.begin(), group.holders.end(),
        [&](const auto& one, const auto& other) { return left(one) < left(other); });
    if (most == group.holders.end() || left(*most) == 0) return;
    ++most->second.asked;
    wanted_.push_back({most->first.first, most->first.second});
  }
}

// For each that waits for a place, and for whom none is coming, somebody is asked to give one up:
// whoever has most, where that makes it more even or the one who waits has nothing.
void ConnectionLedger::press(const std::string& name, Group& group) {
  std::size_t coming = group.resting.size();
  for (const auto& [owner, holder] : group.holders) coming += holder.asked;
  for (const auto& [turn, key] : group.line) {
    const Entry& entry = entries_.at(key);
    auto bound = std::find_if(entry.bounds.begin(), entry.bounds.end(),
                              [&](const ipc::ConnectionBound& one) { return one.group == name; });
    if (bound == entry.bounds.end() || !is_full(group, *bound)) continue;
    if (coming > 0) {
      --coming;
      continue;
    }
    Owner waiting{key.first, entry.owner};
    auto mine = group.holders.find(waiting);
    std::uint32_t has = mine != group.holders.end() ? mine->second.open : 0;
    auto most = group.holders.end();
    auto left = [](const Holder& holder) { return holder.open - holder.asked; };
    for (auto one = group.holders.begin(); one != group.holders.end(); ++one)
      if (one->first != waiting &&
          (most == group.holders.end() || left(one->second) > left(most->second)))
        most = one;
    if (most == group.holders.end() || left(most->second) == 0) continue;
    if (has > 0 && left(most->second) < has + 2) continue;
    ++most->second.asked;
    wanted_.push_back({most->first.first, most->first.second});
  }
}

}  // namespace postwain::qmgr
