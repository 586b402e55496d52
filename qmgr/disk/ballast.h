// Space held ready for the worst moment: a file that is given up when the disk is full, so that the
// outcomes of running attempts can still be recorded, and made again when there is room.
//
// Blocks; small enough for the start, otherwise it belongs on a thread of its own.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/result.h"

namespace postwain::qmgr {

class Ballast {
 public:
  explicit Ballast(std::string path) : path_(std::move(path)) {}

  // A twentieth of a small disk, 64 MiB of a large one.
  static std::uint64_t size_for(std::uint64_t total_bytes);

  bool there() const;
  // All of it is on the disk afterwards, or nothing.
  Status make(std::uint64_t size) const;
  Status release() const;

 private:
  std::string path_;
};

// Gives the file that many blocks without making it longer, if they can be had; ENOSPC is an error
// of the result, a file system that cannot do it is one, too. Cheap when they are there already.
Status reserve_blocks(const std::string& path, std::uint64_t size);

// Whether the folder can be written and synced. A full disk is no error: the queue knows how to
// live with one.
Status check_writable(const std::string& folder);

}  // namespace postwain::qmgr
