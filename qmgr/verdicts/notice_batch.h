// Recipients of one message of whom the sender is told within the same moment, though they have
// several next hops: they wait for each other, so that one notice tells of all (RFC 3464 2 lets
// it). Whoever waits here is still in the store as if nothing had happened; if qmgr dies, who
// failed is tried once more, and what was delivered is known from the attempt journal.
//
// Pure: no timer, no store. The caller gives what it takes out to the store.
#pragma once

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <vector>

#include "common/base/time.h"
#include "common/mail/queue_id.h"

#include "qmgr/model/changes.h"
#include "qmgr/verdicts/notice_plan.h"

namespace postwain::qmgr {

// How long others of the message that are under way are waited for. Who waits to hear of a mistake
// should hear soon; a warning after hours, and a return after days, can be one for all.
constexpr Duration kBatchFailed = std::chrono::seconds(5);
constexpr Duration kBatchLate = std::chrono::seconds(60);
constexpr Duration kBatchLook = std::chrono::seconds(1);
constexpr Duration batch_time(Event event) {
  return event == Event::delayed || event == Event::expired ? kBatchLate : kBatchFailed;
}

struct BatchedNotice {
  Settlement settlement;
  std::vector<RecipientEvent> events;
  MonoTime until{};
};

class NoticeBatch {
 public:
  void add(mail::QueueId id, RecipientChange change, RecipientEvent event, MonoTime now) {
    auto [at, fresh] = waiting_.try_emplace(id);
    if (fresh) {
      at->second.settlement.id = id;
      at->second.until = MonoTime::max();
    }
    at->second.until = std::min(at->second.until, now + batch_time(event.event));
    at->second.settlement.changes.push_back(std::move(change));
    at->second.events.push_back(std::move(event));
  }

  // Everything of this message.
  std::optional<BatchedNotice> take(mail::QueueId id) {
    auto found = waiting_.find(id);
    if (found == waiting_.end()) return std::nullopt;
    BatchedNotice out = std::move(found->second);
    waiting_.erase(found);
    return out;
  }

  // Messages that are waited for no longer.
  std::vector<mail::QueueId> over(MonoTime now) const {
    std::vector<mail::QueueId> out;
    for (const auto& [id, batched] : waiting_)
      if (batched.until <= now) out.push_back(id);
    return out;
  }

  bool holds(mail::QueueId id) const { return waiting_.count(id) > 0; }
  bool empty() const { return waiting_.empty(); }

 private:
  std::unordered_map<mail::QueueId, BatchedNotice> waiting_;
};

}  // namespace postwain::qmgr
