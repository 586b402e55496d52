#include "qmgr/verdicts/lent_before.h"

#include <algorithm>

namespace postwain::qmgr {

void LentBefore::add(mail::QueueId id, std::uint32_t index, Pool pool) {
  // Those of before have had their time.
  if (lent_.size() >= kLentBeforeMax) lent_.clear();
  lent_.insert_or_assign(Key{id, index}, Entry{pool, 0});
}

void LentBefore::forget(mail::QueueId id, std::uint32_t index) {
  lent_.erase(Key{id, index});
}

LentBefore::Entry* LentBefore::believed(const News& who, Key key) {
  auto found = lent_.find(key);
  if (found == lent_.end()) return nullptr;
  Entry& entry = found->second;
  bool named = entry.named_by == who.peer;
  bool in_time = entry.named_by == 0 && who.now - who.since <= kLateNewsFor;
  return entry.pool == who.pool && (named || in_time) ? &entry : nullptr;
}

void LentBefore::keep_ended(const News& who, mail::QueueId id,
                            std::vector<std::uint32_t>& indices) {
  std::erase_if(indices, [&](std::uint32_t index) {
    if (believed(who, {id, index}) == nullptr) return true;
    forget(id, index);
    return false;
  });
}

void LentBefore::keep_running(const News& who, mail::QueueId id,
                              std::vector<std::uint32_t>& indices) {
  std::erase_if(indices, [&](std::uint32_t index) {
    Entry* entry = believed(who, {id, index});
    if (entry != nullptr) entry->named_by = who.peer;
    return entry == nullptr;
  });
}

void LentBefore::lost(std::uint64_t peer) {
  for (auto& [key, entry] : lent_)
    if (entry.named_by == peer) entry.named_by = 0;
}

}  // namespace postwain::qmgr
