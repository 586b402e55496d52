// What late outcomes may speak of: the recipients that were lent to an agent and whose end nobody
// has seen, because qmgr was killed (attempt_journal.h) or the connection was lost. An agent that
// comes back tells of them, each once, in the first seconds; what still runs it names then, and
// tells of later. Whatever else it says is not believed. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "common/base/time.h"
#include "common/mail/queue_id.h"

#include "qmgr/scheduling/scheduler.h"

namespace postwain::qmgr {

constexpr std::size_t kLentBeforeMax = 200'000;
constexpr Duration kLateNewsFor = std::chrono::seconds(10);  // from the beginning of a connection

class LentBefore {
 public:
  // When there are kLentBeforeMax, those of before are forgotten.
  void add(mail::QueueId id, std::uint32_t index, Pool pool);
  // Lent anew, or no more queued: only its own outcome counts.
  void forget(mail::QueueId id, std::uint32_t index);
  // An agent that connected at `since` says of these that their end came, or is still awaited.
  // Those that are believed stay in the lists; an end is believed once.
  struct News {
    std::uint64_t peer = 0;
    Pool pool{};
    MonoTime since{};
    MonoTime now{};
  };
  void keep_ended(const News& who, mail::QueueId id, std::vector<std::uint32_t>& indices);
  void keep_running(const News& who, mail::QueueId id, std::vector<std::uint32_t>& indices);
  // The agent is gone: somebody else may tell of what it has named. (The same one, come back.)
  void lost(std::uint64_t peer);

  bool empty() const { return lent_.empty(); }
  std::size_t size() const { return lent_.size(); }

 private:
  struct Key {
    mail::QueueId id;
    std::uint32_t index;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept {
      return std::hash<mail::QueueId>()(mail::QueueId{key.id.value + key.index});
    }
  };
  struct Entry {
    Pool pool{};
    std::uint64_t named_by = 0;  // it still runs there; 0: nobody has said so
  };
  Entry* believed(const News& who, Key key);

  std::unordered_map<Key, Entry, KeyHash> lent_;
};

}  // namespace postwain::qmgr
