// MTA-STS policies the agents have fetched: kept over restarts, lent with what goes to their
// domain.
#include <algorithm>

#include "qmgr/queue/queue.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kStsPoliciesKnown = 20'000;

// Older than any policy may be.
constexpr Duration kStsKept = std::chrono::seconds(mail::kStsAgeMax);

}  // namespace

void Queue::read_sts_policies(std::string after) {
  store_->read([this, after = std::move(after)](QueueStore& store) -> StoreWorker::Completion {
    auto found = std::make_shared<StoreResult<std::vector<KnownStsPolicy>>>(
        store.destinations().sts_policies(after, kRecoverDestinations));
    return [this, found] {
      if (!*found) return hooks_.on_broken(found->error());
      WallTime now = wall_now();
      std::string last;
      for (KnownStsPolicy& known : **found) {
        last = known.domain;
        if (known.policy.fresh(now) && sts_policies_.size() < kStsPoliciesKnown)
          sts_policies_[std::move(known.domain)] = std::move(known.policy);
      }
      if ((*found)->size() == kRecoverDestinations) return read_sts_policies(std::move(last));
      WallTime old = now - kStsKept;
      store_->write(DestinationFact(RemoveStsPoliciesBefore{old}));
      read_mx_sets({});
    };
  });
}

std::optional<mail::StsPolicy> Queue::sts_policy(const mail::NextHop& hop) const {
  if (hop.kind != mail::HopKind::mx || sts_policies_.empty()) return std::nullopt;
  auto found = sts_policies_.find(hop.domain);
  if (found == sts_policies_.end() || !found->second.fresh(wall_now())) return std::nullopt;
  return found->second;
}

namespace {

// As the table takes it: an agent's word must not be what ends the queue manager.
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

void Queue::keep_sts_policy(DestinationId id, const mail::StsPolicy& policy) {
  const std::string& key = scheduler_.key(id);
  if (key.compare(0, 3, "mx:") != 0 || !can_be_kept(policy)) return;
  std::string domain = key.substr(3, key.find(' ') - 3);
  // Full: those that are not asked for any more go, none in particular.
  if (sts_policies_.size() >= kStsPoliciesKnown && sts_policies_.count(domain) == 0)
    sts_policies_.erase(sts_policies_.begin());
  sts_policies_[domain] = policy;
  store_->write(DestinationFact(KnownStsPolicy{domain, policy}));
}

}  // namespace postwain::qmgr
