// The queue id: 63 bits that never repeat, shown as 13 characters. Given by smtpd when it opens a
// transaction, so that the Received field can carry it and a repeated submission of the same
// transaction is recognised by the store. 41 bits milliseconds since 2020, 10 bits worker (given by
// qmgr at hello; 0 is qmgr itself), 12 bits counter. Ids of messages that local users submit are
// given by qmgr; those of the drop folder have a worker of their own.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/time.h"

namespace postwain::mail {

constexpr std::uint16_t kLastWorker = 1022;  // of those that qmgr gives
constexpr std::uint16_t kDropWorker = 1023;
// Where several machines share a queue, each gives the numbers from its own number times this on,
// the first of them to itself.
constexpr std::uint16_t kWorkersOfANode = 32;

// The parts of a queue that several nodes share (doc/cluster.md). An id says by a hash in which bag
// its message lies, for ever; so whoever has the id knows where to look. A node gives ids of its
// own bags only.
constexpr unsigned kBags = 64;
constexpr std::uint64_t kAllBags = UINT64_MAX;  // a set of bags: the bit 1 << bag for each

struct QueueId {
  std::uint64_t value = 0;

  static constexpr std::uint64_t kLast = UINT64_MAX >> 1;  // the largest there is
  static QueueId first_of(WallTime time);                  // the smallest id of that moment
  WallTime made_at() const;
  constexpr std::uint8_t bag() const {
    // The upper half of a product with the golden ratio is even for ids that follow each other.
    std::uint64_t hash = value * 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 29;
    hash *= 0xBF58476D1CE4E5B9ULL;
    return static_cast<std::uint8_t>(hash >> 58);
  }
  constexpr bool is_in(std::uint64_t bags) const { return (bags >> bag() & 1) != 0; }
  std::uint16_t worker() const { return static_cast<std::uint16_t>(value >> 12 & 0x3FFU); }
  QueueId with_worker(std::uint16_t worker) const {
    return {(value & ~(std::uint64_t{0x3FF} << 12)) | static_cast<std::uint64_t>(worker) << 12};
  }
  // The next id of the same millisecond and worker that is of one of these bags, always the same
  // one; nothing where there is none.
  std::optional<QueueId> next_in(std::uint64_t bags) const;
  std::string text() const;  // Crockford base 32, e.g. "0CZW3PQ5G8S1T"
  static std::optional<QueueId> parse(std::string_view text);  // any letter case
  auto operator<=>(const QueueId&) const = default;  // NOLINT(modernize-use-nullptr): clang-tidy 14
};

// A clock that stands still, or goes back by a moment, makes it go on from its last id, so that
// none repeats. A clock that was further ahead than kAheadMost and was set right makes it begin
// anew: whoever keeps the queue refuses ids of the future. Those begin at another counter then,
// because the moments of the ids that were made ahead will come; should one repeat all the same, it
// is told from the former message by the store (AcceptEnd::conflict) and refused for now.
class QueueIdSource {
 public:
  explicit QueueIdSource(std::uint16_t worker) : worker_(worker & 0x3FFU) {}
  // The ids to come are of that worker.
  void set_worker(std::uint16_t worker) { worker_ = worker & 0x3FFU; }
  // Only ids of these bags from now on; of all of them before it is called, and where the set is
  // empty.
  void keep_to(std::uint64_t bags) { bags_ = bags == 0 ? kAllBags : bags; }
  QueueId next(WallTime now);
  // Those to come are greater than this one, which somebody else made (perhaps by another clock).
  // One that lies more than kPassMax ahead is not passed: whoever made it must not decide what ids
  // are like from now on.
  void pass(QueueId id, WallTime now);
  static constexpr Duration kPassMax = std::chrono::minutes(1);
  static constexpr Duration kAheadMost = 2 * kPassMax;

 private:
  QueueId step(WallTime now);

  std::uint16_t worker_;
  std::uint64_t bags_ = kAllBags;
  std::uint64_t last_ms_ = 0;
  std::uint32_t counter_ = 0;
  std::uint32_t first_counter_ = 0;  // of each millisecond
};

}  // namespace postwain::mail

template <>
struct std::hash<postwain::mail::QueueId> {
  std::size_t operator()(const postwain::mail::QueueId& id) const noexcept {
    return std::hash<std::uint64_t>()(id.value * 0x9E3779B97F4A7C15ULL);
  }
};
