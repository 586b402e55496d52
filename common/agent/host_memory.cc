#include "common/agent/host_memory.h"

#include <algorithm>

namespace postwain::agent {

using mail::Ability;
using mail::AbilitySet;

const HostMemory::Host* HostMemory::find(const std::string& host, MonoTime now) const {
  auto found = hosts_.find(host);
  return found != hosts_.end() && now - found->second.at <= kLackKept ? &found->second : nullptr;
}

// What is too old begins anew; so a host that was mended is asked in full once a day.
HostMemory::Host& HostMemory::touch(const std::string& host, MonoTime now) {
  auto found = hosts_.find(host);
  if (found != hosts_.end() && now - found->second.at <= kLackKept) return found->second;
  if (hosts_.size() >= kHostsRemembered) {
    std::erase_if(hosts_, [now](const auto& one) { return now - one.second.at > kLackKept; });
    if (hosts_.size() >= kHostsRemembered)
      hosts_.erase(std::min_element(hosts_.begin(), hosts_.end(), [](const auto& a, const auto& b) {
        return a.second.at < b.second.at;
      }));
  }
  return hosts_[host] = Host{{}, {}, {}, now};
}

AbilitySet HostMemory::lacks(const std::string& host, MonoTime now) const {
  const Host* known = find(host, now);
  AbilitySet out;
  if (known == nullptr) return out;
  out.add(known->suspected);
  out.add(known->learned);
  return out;
}

AbilitySet HostMemory::learned(const std::string& host, MonoTime now) const {
  const Host* known = find(host, now);
  return known == nullptr ? AbilitySet() : known->learned;
}

AbilitySet HostMemory::proven(const std::string& host, MonoTime now) const {
  const Host* known = find(host, now);
  return known == nullptr ? AbilitySet() : known->proven;
}

bool HostMemory::suspect(const std::string& host, Ability ability, MonoTime now) {
  Host& known = touch(host, now);
  if (known.suspected.has(ability) || known.learned.has(ability) || known.proven.has(ability))
    return false;
  known.suspected.add(ability);
  return true;
}

bool HostMemory::learn(const std::string& host, Ability ability, MonoTime now) {
  Host& known = touch(host, now);
  known.suspected.remove(ability);
  known.proven.remove(ability);
  if (known.learned.has(ability)) return false;
  known.learned.add(ability);
  return true;
}

AbilitySet HostMemory::confirm(const std::string& host, AbilitySet without, MonoTime now) {
  AbilitySet out;
  const Host* known = find(host, now);
  if (known == nullptr || known->suspected.empty()) return out;
  for (Ability ability : known->suspected.list())
    if (without.has(ability)) out.add(ability);
  for (Ability ability : out.list()) learn(host, ability, now);
  return out;
}

void HostMemory::acquit(const std::string& host, Ability ability) {
  auto found = hosts_.find(host);
  if (found == hosts_.end()) return;
  found->second.suspected.remove(ability);
  found->second.learned.remove(ability);
}

void HostMemory::works(const std::string& host, AbilitySet seen, MonoTime now) {
  const Host* known = find(host, now);
  if (seen.empty() || (known != nullptr && known->proven.bits() == seen.bits())) return;
  touch(host, now).proven.add(seen);
}

void HostMemory::failed(const std::string& address, MonoTime now) {
  if (failed_.size() >= kHostsRemembered && failed_.count(address) == 0) {
    std::erase_if(failed_, [now](const auto& one) { return now - one.second > kLackKept; });
    if (failed_.size() >= kHostsRemembered)
      failed_.erase(
          std::min_element(failed_.begin(), failed_.end(),
                           [](const auto& a, const auto& b) { return a.second < b.second; }));
  }
  failed_[address] = now;
}

void HostMemory::answered(const std::string& address) {
  if (!failed_.empty()) failed_.erase(address);
}

std::optional<MonoTime> HostMemory::failed_at(const std::string& address, MonoTime now) const {
  auto found = failed_.find(address);
  if (found == failed_.end() || now - found->second > kLackKept) return std::nullopt;
  return found->second;
}

}  // namespace postwain::agent
