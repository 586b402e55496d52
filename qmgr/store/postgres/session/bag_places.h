// In which bag of the queue a message lies. A new message goes into the one that a hash of its id
// names among the bags open to us; so whoever knows which bags were open when it came can find it
// by its id alone. Every set of bags that was ever open is remembered (table placement), and with
// one set, as a queue of one node has it, that is one place to look at. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/queue_id.h"

namespace postwain::qmgr {

// Beyond so many sets a message is looked for in every bag instead.
constexpr std::size_t kPlacementsMax = 8;

using BagList = std::vector<std::int16_t>;

BagList every_bag();
// A set of bags as the table placement has it, an octet for each; nothing where an octet is none.
std::string bytes_of(const BagList& bags);
std::optional<BagList> bags_of(std::string_view bytes);

class BagPlaces {
 public:
  // open: the bags that new messages go to, not empty. former: sets that were open in other times;
  // empty ones are passed over. all: every bag that messages are looked for in.
  BagPlaces(BagList open, std::vector<BagList> former, BagList all);

  std::int16_t for_new(mail::QueueId id) const;
  // Where it may lie, the place of a new one first; each bag once.
  BagList candidates(mail::QueueId id) const;
  // There is one candidate, whatever the id.
  bool is_plain() const { return former_.empty(); }
  const BagList& all() const { return all_; }

 private:
  BagList open_;
  std::vector<BagList> former_;  // without the open set
  bool anywhere_ = false;        // there are too many of them: every bag is a candidate
  BagList all_;
};

}  // namespace postwain::qmgr
