// A new queue from what can still be read of a damaged one: `postwain queue recover`.
//
// The damaged files are only read. Rows are taken from their pages one by one, without the trees
// that lead to them, and written to a new database whose schema refuses what cannot be; so damage
// costs what stood on the damaged pages. What belongs together (message, recipients, content) is
// put together again; what is missing a part is named, and a content without recipients is saved as
// a file.
//
// Settled mail leaves its rows on free pages. They are left out; where the list of free pages is
// itself damaged, everything recovered is held, so that no mail goes out a second time unseen.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace postwain::qmgr {

struct SalvageReport {
  std::uint32_t pages = 0;          // of the damaged file
  std::size_t pages_of_log = 0;     // of these, newer in the write-ahead log
  std::size_t messages = 0;         // recovered
  std::size_t recipients = 0;       // recovered
  bool held = false;                // all of them
  std::vector<std::string> losses;  // one sentence each, with queue id and address where known
};

constexpr std::size_t kLossesMax = 10000;  // named; beyond, only counted in the last sentence

// from: a spool folder nobody works with; to: a folder that does not exist yet or is empty, which
// becomes a spool (queue.db, content/, and lost/ where there is something for it).
Result<SalvageReport> salvage(const std::string& from, const std::string& to);

}  // namespace postwain::qmgr
