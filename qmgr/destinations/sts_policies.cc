#include "qmgr/destinations/sts_policies.h"

#include <algorithm>

namespace postwain::qmgr {

namespace {

// Older than any policy may be.
constexpr Duration kStsKept = std::chrono::seconds(mail::kStsAgeMax);

bool can_be_kept(const mail::StsPolicy& policy) {
  constexpr std::size_t kIdMax = 32;
  constexpr std::size_t kHostsMax = 65536;
  auto plain = [](const std::string& text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return c > ' ' && c <= '~' && c != ','; });
  };
  std::size_t octets = 0;
  for (const std::string& host : policy.hosts) {
    if (host.empty() || !plain(host)) return false;
    octets += host.size() + 1;
  }
  return policy.id.size() <= kIdMax && plain(policy.id) && octets <= kHostsMax;
}

}  // namespace

void StsPolicies::restore(KnownStsPolicy known) {
  if (known.policy.fresh(core_.clock.wall()) && policies_.size() < kStsPoliciesKnown)
    policies_[std::move(known.domain)] = std::move(known.policy);
}

void StsPolicies::forget_old() {
  core_.store.write(DestinationFact(RemoveStsPoliciesBefore{core_.clock.wall() - kStsKept}));
}

std::optional<mail::StsPolicy> StsPolicies::find(const mail::NextHop& hop) const {
  if (hop.kind != mail::HopKind::mx || policies_.empty()) return std::nullopt;
  auto found = policies_.find(hop.domain);
  if (found == policies_.end() || !found->second.fresh(core_.clock.wall())) return std::nullopt;
  return found->second;
}

void StsPolicies::keep(DestinationId id, const mail::StsPolicy& policy) {
  const std::string& key = core_.scheduler.key(id);
  if (key.compare(0, 3, "mx:") != 0 || !can_be_kept(policy)) return;
  std::string domain = key.substr(3, key.find(' ') - 3);
  // Full: those that are not asked for any more go, none in particular.
  if (policies_.size() >= kStsPoliciesKnown && policies_.count(domain) == 0)
    policies_.erase(policies_.begin());
  policies_[domain] = policy;
  core_.store.write(DestinationFact(KnownStsPolicy{domain, policy}));
}

}  // namespace postwain::qmgr
