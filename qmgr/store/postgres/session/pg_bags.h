// The bags that this node works on, and which of them are read. A message lies in the bag that its
// id names (mail::QueueId::bag()), so that nobody has to look for it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/mail/queue_id.h"

namespace postwain::qmgr {

using BagList = std::vector<std::int16_t>;

// Sets of bags are numbers, as in queue_id.h: the bit 1 << bag for each.
BagList list_of_bags(std::uint64_t bags);

class PgBags {
 public:
  explicit PgBags(std::uint64_t own = 0) : own_(own) {}

  std::uint64_t own() const { return own_; }
  bool has(mail::QueueId id) const { return id.is_in(own_); }
  // What was hidden and goes is not hidden when it comes back.
  void set_own(std::uint64_t bags) {
    own_ = bags;
    hidden_ &= bags;
  }

  // Own bags of which nothing is to be read into memory any more: they are about to be given away.
  // They can still be written.
  void hide(std::uint64_t bags) { hidden_ = bags; }
  // Scans look at these alone, whoever has them, until nothing is passed.
  void look_only_at(std::optional<std::uint64_t> bags) { only_ = bags; }
  std::uint64_t looked_at() const { return only_ ? *only_ : own_ & ~hidden_; }
  // The same, as a parameter.
  BagList scanned() const { return list_of_bags(looked_at()); }

 private:
  std::uint64_t own_;
  std::uint64_t hidden_ = 0;
  std::optional<std::uint64_t> only_;
};

}  // namespace postwain::qmgr
