// The table of who was seen, kept over restarts: read at the start, written when it has changed, a
// small one within a second and the largest each minute, and at the end. What another process with
// the same files has written meanwhile (the one before a reload, while it ends) is taken in.
// Damaged files are left alone and said so.
#pragma once

#include <cstdint>
#include <memory>

#include "common/base/clock.h"
#include "filter/deciding/greylist_table.h"
#include "filter/strangers/seen_files.h"

namespace postwain::filter {

// Writing costs time by the number of entries; this is the pause for each 1,000 of them.
constexpr Duration kSnapshotPause = std::chrono::milliseconds(60);
constexpr Duration kSnapshotPauseMin = std::chrono::seconds(1);

class SeenStore {
 public:
  SeenStore(Clock& clock, const config::Greylist& terms, SeenFiles files);

  GreylistTable& table() { return *table_; }
  GreylistTable::Seconds now() const;
  // Goes on for ever.
  void start();
  // Now, if there is something to write.
  void save();

 private:
  void load(const config::Greylist& terms);
  void take_in_others();

  Clock& clock_;
  SeenFiles files_;
  std::unique_ptr<GreylistTable> table_;
  std::unique_ptr<Alarm> alarm_;
  std::uint64_t generation_ = 0;  // the largest that was read or written
  bool failed_ = false;           // it has been said
};

}  // namespace postwain::filter
