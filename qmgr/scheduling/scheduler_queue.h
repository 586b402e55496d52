// The waiting jobs of one destination and class, ordered by waited time per remaining recipient: a
// two-line note overtakes a mailing that came before it, and the mailing, however large, gains on
// everybody while it waits.
//
// Jobs stand in bins of similar size, first come first served; the heads of the bins compete by
// their exact score. So a choice costs the number of bins, and within a bin the order is by age.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "common/base/time.h"
#include "common/mail/queue_id.h"

#include "qmgr/model/message.h"
#include "qmgr/scheduling/suspects.h"

namespace postwain::qmgr {

constexpr std::size_t kLeaseRecipients = 100;  // of one lease

// Recipients of one message that share a destination: the unit of a lease.
struct Job {
  mail::QueueId id;
  TrafficClass traffic_class = TrafficClass::interactive;
  WallTime milestone{};  // retry_policy.h: next_milestone
  std::vector<std::uint32_t> recipients;
  WallTime waiting_since{};     // when it became due; zero: when it is offered
  std::uint32_t remaining = 0;  // the message's recipients here when it was queued; 0: only these
  Marks marks{};                // whom it is for, where the destination has suspects
  std::uint32_t failures = 0;   // attempts before, if the last one was broken off behind MAIL
};

class JobQueue {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  void push(Job job);
  Job pop(WallTime now);
  Job pop_oldest();  // whatever its size
  // The first of those with the least weight, in order of age.
  Job pop_least(const std::function<std::uint64_t(const Job&)>& weight);
  // The best score at the moment, to compare classes by; the queue is not empty.
  double best_score(WallTime now) const;
  // Takes out every job the question says yes to; the others keep their order.
  void take_if(const std::function<bool(const Job&)>& wanted, std::vector<Job>& taken);
  void for_each(const std::function<void(const Job&)>& look) const;

 private:
  static constexpr std::size_t kBins = 4;
  struct Bin {
    std::vector<Job> jobs;
    std::uint32_t front = 0;
  };
  static std::size_t bin_of(std::uint32_t remaining);
  static double score(const Job& job, WallTime now);
  std::size_t best_bin(WallTime now) const;
  Job pop_from(Bin& bin);

  std::array<Bin, kBins> bins_;
  std::uint32_t size_ = 0;
};

}  // namespace postwain::qmgr
