#include "qmgr/destinations/mx_sets.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kMxSetKeyMax = 4000;
constexpr Duration kMxSetKept = std::chrono::hours(24 * 60);  // unseen for so long: forgotten

}  // namespace

bool MxSets::restore(KnownMxSet known) {
  if (hosts_.size() < kMxSetsKnown) hosts_[known.destination] = std::move(known.hosts);
  return hosts_.size() < kMxSetsKnown;
}

void MxSets::forget_old() {
  core_.store.write(DestinationFact(RemoveMxSetsBefore{core_.clock.wall() - kMxSetKept}));
}

void MxSets::note(DestinationId id, const std::string& mx_set) {
  const std::string& key = core_.scheduler.key(id);
  if (mx_set.empty() || mx_set.size() > kMxSetKeyMax || key.compare(0, 3, "mx:") != 0) return;
  const MxSet* known = core_.scheduler.mx_set(id);
  if (known != nullptr && known->key == mx_set) return;
  WallTime now = core_.clock.wall();
  core_.scheduler.associate(id, mx_set, now);
  // Full: those that are not asked for any more go, none in particular.
  if (hosts_.size() >= kMxSetsKnown && hosts_.count(key) == 0) hosts_.erase(hosts_.begin());
  hosts_[key] = mx_set;
  core_.store.write(DestinationFact(PutMxSet{{key, mx_set}, now}));
}

void MxSets::recall(DestinationId id, const std::string& key) {
  if (hosts_.empty() || core_.scheduler.mx_set(id) != nullptr) return;
  auto known = hosts_.find(key);
  if (known != hosts_.end()) core_.scheduler.associate(id, known->second, core_.clock.wall());
}

}  // namespace postwain::qmgr
