#include "qmgr/scheduling/destination_rates.h"

#include <algorithm>

#include "common/base/check.h"

#include "qmgr/cluster/bounded_key.h"

namespace postwain::qmgr {

namespace {

std::string shared_key(const std::string& key, const MxSet* set) {
  return set != nullptr ? cluster::bounded_key(kMxSetRates, set->key, kRateKeyMax)
                        : cluster::bounded_key(kDestinationRates, key, kRateKeyMax);
}

// What holds for the destination where the rate is shared.
const LeaseRate& shared_rate(const MxSet* set, const LeaseRate& rate) {
  return set == nullptr || set->pace.wanted.empty() ? rate : set->pace.wanted.begin()->first;
}

}  // namespace

std::optional<WallTime> DestinationRates::due(const DestinationPace& own, const MxSet* set,
                                              const LeaseRate& rate, WallTime now) const {
  if (!rate) return std::nullopt;
  const bool shared = is_shared();
  auto counted = [shared](const LeasePace& pace) { return shared ? pace.alone : pace.next; };
  WallTime due = counted(own);
  if (set != nullptr) due = std::max(due, counted(set->pace));
  due -= rate.burst();
  if (shared && own.told.bars(shared_rate(set, rate).shared(), now))
    due = std::max(due, own.told.due());
  return due > now ? std::optional(due) : std::nullopt;
}

bool DestinationRates::ask(DestinationId id, const std::string& key, DestinationPace& own,
                           const MxSet* set, const LeaseRate& rate, WallTime now) {
  if (!rate || !is_shared()) return true;
  const LeaseRate& holds = shared_rate(set, rate);
  if (own.told.ask(*rates_, shared_key(key, set), holds.shared(), holds.burst(), now)) return true;
  if (own.told.is_unknown()) waiting_.insert(id);
  return false;
}

void DestinationRates::take(const std::string& key, DestinationPace& own, MxSet* set,
                            const LeaseRate& rate, WallTime now) {
  if (!rate) return;
  const bool shared = is_shared();
  own.take(rate.gap(), now, shared);
  if (set != nullptr) set->pace.take(rate.gap(), now, shared);
  if (shared) rates_->take(shared_key(key, set));
}

bool DestinationRates::count(DestinationPace& own, MxSet& set, const LeaseRate& rate) {
  if (rates_ == nullptr || own.counted == rate) return false;
  auto& wanted = set.pace.wanted;
  const LeaseRate before = wanted.empty() ? LeaseRate() : wanted.begin()->first;
  leave(own, set);
  own.counted = rate;
  if (rate) ++wanted[rate];
  return before && !wanted.empty() && wanted.begin()->first != before;
}

void DestinationRates::leave(DestinationPace& own, MxSet& set) {
  if (!own.counted) return;
  auto found = set.pace.wanted.find(own.counted);
  PW_CHECK(found != set.pace.wanted.end());
  if (--found->second == 0) set.pace.wanted.erase(found);
  own.counted = {};
}

DestinationRates::News DestinationRates::take_news() {
  News news;
  const bool shared = is_shared();
  news.all = shared != was_shared_;
  was_shared_ = shared;
  if (news.all || changed_) {
    news.some.assign(waiting_.begin(), waiting_.end());
    waiting_.clear();
  }
  changed_ = false;
  return news;
}

}  // namespace postwain::qmgr
