// One file without a name, in blocks: room for bodies that are too large for memory. It is opened
// once, before the process gives up its right to open files. Its size is that of the most it has
// ever held at a time, since blocks are used again, the first ones first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "common/base/file.h"
#include "common/base/result.h"

namespace postwain::filter {

class ScratchFile {
 public:
  static constexpr std::size_t kBlock = 256U << 10;
  static constexpr std::uint32_t kBlocksMax = 16U << 10;  // 4 GiB

  // Without it there is no room.
  Status open(const std::string& folder);

  Result<std::uint32_t> take();
  void give_back(std::uint32_t block) { free_.insert(block); }
  // Within the block.
  Status write(std::uint32_t block, std::size_t at, std::string_view octets);
  Result<std::string> read(std::uint32_t block, std::size_t at, std::size_t count) const;

  std::size_t blocks_in_use() const { return next_ - free_.size(); }

 private:
  UniqueFd file_;
  std::set<std::uint32_t> free_;
  std::uint32_t next_ = 0;  // never used yet
};

}  // namespace postwain::filter
