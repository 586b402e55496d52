// Whether new mail is taken, and if not, with which words it is refused. Pure; the numbers are
// batched elsewhere (disk_space.h).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "common/ipc/messages.h"

#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

struct DiskSpace {
  std::uint64_t free_bytes = 0;
  std::uint64_t total_bytes = 0;
  bool known = false;
  // Names that can still be given to files; absent where the file system does not count them.
  std::optional<std::uint64_t> free_names{};
};

// No new mail while the store's log holds more bytes: it could not be brought into the store.
constexpr std::int64_t kLogStopBytes = 256LL << 20;

struct AdmissionFacts {
  DiskSpace disk;
  std::uint64_t message_size = 0;  // limits.message_size
  std::int64_t wal_bytes = 0;
  StoreTrouble store = StoreTrouble::none;
  bool in_database = false;  // the store is no file on this disk
  std::string cluster{};     // why this node may not work (Nodes::trouble()); empty: it may
  // And that is as it is meant: it joins, or was told to drain.
  bool cluster_as_meant = false;
  bool stopping = false;
  bool log_reserved = false;   // the log of the database has its blocks (reserve_log)
  std::size_t unrecorded = 0;  // outcomes that wait for room on the disk
};

// What the store's log usually holds at most (kCheckpointBytes of store_worker.h) has still to find
// room in the store; without it neither of them could be written any more, and no mail would leave.
inline std::uint64_t log_debt(std::uint64_t total_bytes) {
  return std::min<std::uint64_t>(16ULL << 20, total_bytes / 5);
}

// Below this much free space nothing is taken: room for one and a half of the largest messages and
// for the queue's own work, but of a small disk never more than a tenth and what the log needs.
inline std::uint64_t disk_floor(std::uint64_t message_size, std::uint64_t total_bytes) {
  return std::min<std::uint64_t>(message_size + message_size / 2 + (128ULL << 20),
                                 total_bytes / 10 + log_debt(total_bytes));
}

// New content needs names for files; outcomes need none.
constexpr std::uint64_t kNamesKept = 64;

// The blocks of the database's log that are kept ready, whatever else the disk is filled with. The
// log is written over from its beginning, and a delivery makes nothing grow, so with them
// deliveries go on with not one byte free. New mail is refused long before it could need them.
inline std::uint64_t log_reserve(std::uint64_t total_bytes) {
  return std::min<std::uint64_t>(32ULL << 20, total_bytes / 40) & ~std::uint64_t{4095};
}

// Outcomes that may wait for a disk that takes nothing at all. Deliveries among them stand in the
// attempt journal, synced, so that no kill makes them unsaid.
constexpr std::size_t kUnrecordedMax = 1000;

// What outcomes of running attempts may need where the log has no blocks of its own. With less, no
// attempt may begin: what it brought could not be recorded, and each such attempt would be a second
// copy.
inline std::uint64_t outcome_reserve(std::uint64_t total_bytes) {
  return std::min<std::uint64_t>(16ULL << 20, total_bytes / 80);
}

ipc::Admission decide_admission(const AdmissionFacts& facts);
bool may_deliver(const AdmissionFacts& facts);
// Why no attempt begins, and what to do; empty while they do, or when we are about to stop.
std::string standstill(const AdmissionFacts& facts);
// Why no new mail is taken, for the log and where standstill() does not say it; empty while it is.
std::string why_not_accepting(const AdmissionFacts& facts);
// What keeps mail out, or attempts from beginning, is no trouble but the way of a node that joins
// or drains.
bool is_as_meant(const AdmissionFacts& facts);
// There is room to make the ballast (ballast.h) and still take new mail.
bool room_for_ballast(const AdmissionFacts& facts, std::uint64_t ballast);

}  // namespace postwain::qmgr
