// Which recipients are lent to an agent right now, kept where a kill of qmgr does not reach: in a
// mapped file, one store of 16 bytes for each recipient that is lent, one when its outcome comes
// and one when that is committed. At the next start it names exactly those whose attempt ended
// unseen, those whose doubt (an attempt that may have delivered) was not yet in the history, and
// those that were reported as delivered and not yet committed: they are settled then, and not lent
// again.
//
// No promise of the queue depends on it: a note that is missing costs a second copy, or a mark in
// the history, and one that is there has happened, since queue ids are never used twice. After a
// loss of power it may be out of date. Bounded: kJournalSlots recipients at once; those beyond are
// not noted.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/result.h"
#include "common/mail/queue_id.h"

namespace postwain::qmgr {

constexpr std::uint32_t kJournalSlots = 65536;

class AttemptJournal {
 public:
  // Of a journal that could not be opened; notes nothing.
  AttemptJournal() = default;
  static Result<AttemptJournal> open(const std::string& path);
  AttemptJournal(AttemptJournal&& other) noexcept;
  AttemptJournal& operator=(AttemptJournal&& other) noexcept;
  ~AttemptJournal();

  // A ticket for the others; 0: not noted.
  std::uint32_t begin(mail::QueueId id, std::uint32_t index);
  void end(std::uint32_t ticket);
  // The attempt is over, in doubt, and the history does not say so yet; end() once it does.
  void doubt(std::uint32_t ticket);

  // An agent has reported it as delivered. dsn_passed_on: of its outcome.
  void delivered(std::uint32_t ticket, bool dsn_passed_on);
  // Waits until what is noted there is on the disk; needs no room. Slow.
  void sync(std::uint32_t ticket) const;

  struct Leftover {
    mail::QueueId id;
    std::uint32_t index;
    bool doubt;  // see doubt(); else the attempt was under way when qmgr ended
    bool delivered = false;
    bool dsn_passed_on = false;
  };
  // What a former qmgr left, as far as nobody took it; by id and index.
  std::vector<Leftover> leftovers() const;
  std::size_t left_count() const { return left_.size(); }
  // The bags (queue_id.h) of their messages.
  std::uint64_t left_bags() const;
  // Somebody else left this, and it is ours now; nothing changes where it is noted already.
  void take_over(mail::QueueId id, std::uint32_t index);
  bool is_left(mail::QueueId id, std::uint32_t index) const {
    return left_.contains(Key{id.value, index});
  }
  // Its ticket, once; 0: nothing was left of this recipient.
  std::uint32_t take_left(mail::QueueId id, std::uint32_t index);

 private:
  struct Slot {
    std::uint64_t id;  // 0: free; written last
    std::uint32_t index;
    std::uint32_t notes;  // bits, see below
  };
  static constexpr std::uint32_t kDoubt = 1;
  static constexpr std::uint32_t kDelivered = 2;
  static constexpr std::uint32_t kDsnPassedOn = 4;
  struct Key {
    std::uint64_t id;
    std::uint32_t index;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept {
      return std::hash<mail::QueueId>()(mail::QueueId{key.id + key.index});
    }
  };
  void release(std::uint32_t slot);

  Slot* slots_ = nullptr;
  std::vector<std::uint32_t> free_;
  std::unordered_map<Key, std::uint32_t, KeyHash> left_;  // to the slot that tells of it
};

}  // namespace postwain::qmgr
