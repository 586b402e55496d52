// What a power cut may leave of a disk: walks along the log of a Disk once, and builds disks for
// any prefix on the way. Given the same log and the same random source it builds the same disks.
#pragma once

#include <set>

#include "tests/simdisk/disk.h"

namespace postwain::simdisk {

class PowerCut {
 public:
  // The log must not change while this lives.
  PowerCut(const Image& first, const std::vector<Entry>& log, std::uint64_t seed);

  void advance(std::size_t position);  // to that prefix; only forward
  std::size_t position() const { return position_; }
  Image image(Random& random) const;  // one disk after a cut here

 private:
  void synced(Inode inode);
  void sync_failed(Inode inode);
  void folder_synced(const std::string& folder);

  const std::vector<Entry>& log_;
  std::size_t position_ = 0;
  Image safe_;                                        // what every cut leaves
  std::map<Inode, std::vector<const Entry*>> loose_;  // written, not synced
  std::vector<const Entry*> loose_names_;
  std::set<Inode> unnamed_;
  Random random_;  // what a failed sync has written
};

}  // namespace postwain::simdisk
