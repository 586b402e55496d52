// Recipients that may not be leased although they lie in the store as work: a former lease still
// runs elsewhere, or an operator's change is on its way. Pure.
#pragma once

#include <cstdint>
#include <set>
#include <unordered_map>
#include <vector>

#include "common/mail/queue_id.h"

namespace postwain::qmgr {

class BlockedRecipients {
 public:
  void add(mail::QueueId id, const std::vector<std::uint32_t>& indices) {
    if (!indices.empty()) blocked_[id].insert(indices.begin(), indices.end());
  }
  // False: none of this message was blocked.
  bool remove(mail::QueueId id, const std::vector<std::uint32_t>& indices) {
    auto found = blocked_.find(id);
    if (found == blocked_.end()) return false;
    for (std::uint32_t index : indices) found->second.erase(index);
    if (found->second.empty()) blocked_.erase(found);
    return true;
  }
  bool has(mail::QueueId id, std::uint32_t index) const {
    if (blocked_.empty()) return false;
    auto found = blocked_.find(id);
    return found != blocked_.end() && found->second.count(index) > 0;
  }

 private:
  std::unordered_map<mail::QueueId, std::set<std::uint32_t>> blocked_;
};

}  // namespace postwain::qmgr
