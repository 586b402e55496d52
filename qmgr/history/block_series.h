// The blocks of history that this node has in the database: their numbers, which of them become one
// larger block, and which are too old or too many. Pure.
//
// A block is written every few seconds, and while there is little to tell it is small. So what came
// since the last large one is kept in memory, and when it fills a block, or small ones have become
// many, it is written once more as one block in their place.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "qmgr/history/history_block.h"

namespace postwain::qmgr {

constexpr std::int64_t kSharedOctetsMax = 256LL << 20;  // of one node's blocks, as they are stored
constexpr std::size_t kSmallBlocks = 30;                // before they become one

class BlockSeries {
 public:
  using Stored = HistoryBlockTable::Stored;

  // A page of what is in the database, in order.
  void restore(const std::vector<Stored>& page);
  std::int64_t last() const { return last_; }

  struct Order {
    std::string records;
    std::int64_t number = 0;
    std::int64_t replaces = 0;  // blocks from this number on; 0: none
  };
  Order next(std::string_view records);
  // What next() said last was done, as a block of that many octets.
  void done(const Order& order, std::int64_t at, std::int64_t octets);
  // Nobody knows whether it was: what comes gets other numbers, and replaces nothing of before.
  void failed();

  // Up to which number they are to go: written before, or more than max_octets of them. 0: none.
  std::int64_t surplus(std::int64_t before, std::int64_t max_octets) const;
  void removed(std::int64_t up_to);

  std::int64_t octets() const { return octets_; }
  std::size_t blocks() const { return stored_.size(); }

 private:
  void forget_from(std::int64_t number);

  std::deque<Stored> stored_;
  std::int64_t octets_ = 0;
  std::int64_t last_ = 0;
  std::string small_;  // the records of small ones
  std::size_t small_blocks_ = 0;
  std::int64_t small_from_ = 0;
};

}  // namespace postwain::qmgr
