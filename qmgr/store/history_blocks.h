// What nodes that share a queue tell each other of the history of their mail: blocks of records,
// whose form is qmgr/history/history_block.h. Values only.
//
// A block can be found without being read: it has a filter, a Bloom filter of the keys of
// everything in it. A key's probe is two numbers below 2^32; the bits of the filter that are set
// for it are first + i * second for i from 0 to 3, modulo the number of bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

constexpr unsigned kFilterProbes = 4;
constexpr std::size_t kFilterOctetsMax = 65536;
constexpr std::size_t kBlockOctetsMax = 262144;  // as it is stored

struct FilterProbe {
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  bool operator==(const FilterProbe&) const = default;
};

struct HistoryBlock {
  std::int64_t number = 0;  // each node counts its own
  std::int64_t at = 0;      // when it was written, in ms since 1970
  std::string node;         // the name of the node that wrote it
  std::string filter;
  std::string data;
};

class HistoryBlockTable {
 public:
  virtual ~HistoryBlockTable() = default;

  struct Stored {
    std::int64_t number = 0;
    std::int64_t at = 0;
    std::int64_t octets = 0;
  };
  // Of this node's number, in the order of theirs, behind `after`.
  virtual StoreResult<std::vector<Stored>> own(std::int64_t after, std::size_t most) = 0;
  // In the place of own blocks from `replaces` on up to this one's number. The same number once
  // more changes nothing. A crash of the database may take it back.
  virtual StoreStatus put(const HistoryBlock& block, std::int64_t replaces) = 0;
  // Own ones up to this number.
  virtual StoreStatus remove_own(std::int64_t up_to) = 0;
  // The oldest of nodes that do not live, as far as they were written before; some of them.
  virtual StoreStatus remove_left(std::int64_t before) = 0;

  // The last block of each node that has one.
  struct Last {
    std::int16_t node = 0;
    std::int64_t number = 0;
  };
  virtual StoreResult<std::vector<Last>> last_blocks() = 0;

  struct Search {
    std::int16_t node = 0;
    std::int64_t below = 0;  // newest first, with numbers below this
    std::int64_t from = 0;   // not written before
    std::vector<FilterProbe> probes;
  };
  struct Found {
    std::vector<HistoryBlock> blocks;  // without their filters
    std::int64_t below = 0;            // where the next search goes on; 0: nowhere
  };
  // Of the next blocks those whose filters have one of the probes: a bounded step.
  virtual StoreResult<Found> search(const Search& search) = 0;
};

}  // namespace postwain::qmgr
