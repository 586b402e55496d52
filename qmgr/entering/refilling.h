// From the store into memory: rows that are due, and compact records for which there was no place
// when they came. The scheduler says which destinations can take more (Refill).
#pragma once

#include <deque>
#include <vector>

#include "qmgr/entering/put_back.h"
#include "qmgr/entering/refill_jobs.h"
#include "qmgr/shared/blocked_recipients.h"
#include "qmgr/shared/retry_terms.h"

namespace postwain::qmgr {

constexpr std::size_t kRefillsAtOnce = 32;
constexpr Duration kNoRoomPause = std::chrono::seconds(1);

class Refilling {
 public:
  Refilling(QueueCore& core, Destinations& destinations, const RetryTerms& terms,
            const BlockedRecipients& blocked, PutBack& put_back)
      : core_(core),
        destinations_(destinations),
        terms_(terms),
        blocked_(blocked),
        put_back_(put_back) {}

  // Asks the scheduler which refills it wants, and begins as many as there is room for. Not while
  // memory is full: with many destinations, each asking again and again, reading in vain would be
  // all that is done.
  void advance();

 private:
  // What could not be taken, and what is done about it afterwards.
  struct Rest {
    std::size_t taken = 0;  // rows before the first one refused
    bool refused = false;
    bool refused_elsewhere = false;  // for want of memory, or at another destination
    std::vector<OverflowList::Entry> back{};
    std::vector<MovedRecipient> moved{};
    std::set<mail::QueueId> to_normalise{};
  };

  void begin(Refill refill);
  void read(const Refill& refill, RefillRead read);
  void sort(RefillJobs& jobs, Rest& rest);
  void take_or_refuse(const RefillGroup& group, const Refill& refill, Rest& rest, WallTime now);
  void refuse(const RefillGroup& group, const Refill& refill, Rest& rest) const;
  Job job_of(const RefillGroup& group) const;
  bool take(const RefillGroup& group, WallTime now);
  void move(std::vector<MovedRecipient> moved);
  void finish(const Refill& refill, const RefillRead& read, const RefillJobs& jobs, Rest rest,
              WallTime now);

  QueueCore& core_;
  Destinations& destinations_;
  const RetryTerms& terms_;
  const BlockedRecipients& blocked_;
  PutBack& put_back_;
  std::deque<Refill> waiting_;  // for room in memory
  std::size_t running_ = 0;
};

}  // namespace postwain::qmgr
