// Whether new mail is taken, and if not, with which words it is refused. Pure; the numbers are
// gathered elsewhere (disk_space.h).
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/ipc/messages.h"

namespace postwain::qmgr {

struct DiskSpace {
  std::uint64_t free_bytes = 0;
  std::uint64_t total_bytes = 0;
  bool known = false;
};

struct AdmissionFacts {
  DiskSpace disk;
  std::uint64_t message_size = 0;  // limits.message_size
  std::int64_t wal_bytes = 0;
  bool store_full = false;
  bool stopping = false;
};

// Below this much free space nothing is taken: room for one and a half of the largest messages and
// for the queue's own work, but never more than a tenth of a small disk.
inline std::uint64_t disk_floor(std::uint64_t message_size, std::uint64_t total_bytes) {
  return std::min<std::uint64_t>(message_size + message_size / 2 + (128ULL << 20),
                                 total_bytes / 10);
}

// What outcomes of running attempts may need. With less, no attempt may begin: what it brought
// could not be recorded, and each such attempt would be a second copy.
inline std::uint64_t outcome_reserve(std::uint64_t total_bytes) {
  return std::min<std::uint64_t>(16ULL << 20, total_bytes / 80);
}

ipc::Admission decide_admission(const AdmissionFacts& facts);
bool may_deliver(const AdmissionFacts& facts);
// There is room to make the ballast (ballast.h) and still take new mail.
bool room_for_ballast(const AdmissionFacts& facts, std::uint64_t ballast);

}  // namespace postwain::qmgr
