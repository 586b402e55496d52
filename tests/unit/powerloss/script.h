// A random but repeatable story of a queue: what qmgr does with messages, outcomes, holds, bounces,
// checkpoints and restarts, on a disk in memory.
#pragma once

#include "tests/unit/powerloss/life.h"

namespace postwain::powerloss {

struct Story {
  std::uint64_t seed = 1;
  int rounds = 30;
  Sin sin = Sin::none;
  std::uint64_t first_id = 1;
};

enum class Ending : std::uint8_t {
  stopped,      // told to the end, and the store answers
  broken,       // the store said so: the process would end
  not_started,  // a start failed: the process would end
};

// Runs the story; the ledger and the log of the disk tell what happened.
Ending tell(const Story& story, simdisk::Disk& disk, Ledger& ledger);

}  // namespace postwain::powerloss
