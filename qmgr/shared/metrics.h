// What qmgr counts for Prometheus since its start. Pure: numbers only; what else there is to tell
// (the queue, destinations) is asked for when it is written (metrics_text.h).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/ipc/messages.h"
#include "common/ipc/receiver_counts.h"
#include "common/mail/outcome.h"
#include "common/mail/reported/signing_record.h"
#include "common/mail/stage_times.h"

#include "qmgr/model/changes.h"
#include "qmgr/scheduling/scheduler.h"

namespace postwain::qmgr {

// Cumulative, as Prometheus wants it: bucket i counts what was at most bounds[i] seconds.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size(), 0) {}
  void observe(std::chrono::microseconds value);
  // What somebody else has observed: how many in each bucket alone, the last number beyond all
  // bounds, and the sum in seconds.
  template <class Numbers>
  void add(const Numbers& numbers, double seconds) {
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      so_far += numbers[i];
      if (i < counts_.size()) counts_[i] += so_far;
    }
    count_ += so_far;
    sum_ += seconds;
  }

  const std::vector<double>& bounds() const { return bounds_; }
  std::uint64_t at_most(std::size_t bucket) const { return counts_[bucket]; }
  std::uint64_t count() const { return count_; }
  double sum() const { return sum_; }

 private:
  std::vector<double> bounds_;
  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  double sum_ = 0;
};

constexpr std::size_t kSigningEnds = static_cast<std::size_t>(last_of(mail::SigningEnd{})) + 1;

enum class TlsSeen : std::uint8_t { none, tls12, tls13, other };
std::string_view name_of(TlsSeen seen);

class Metrics {
 public:
  Metrics();

  // took: from the end of the content to the commit.
  void accepted(std::size_t recipients, std::chrono::microseconds took);
  // waited: since the message came in, before a first attempt; took: the attempt.
  void outcome(Pool pool, const mail::Outcome& outcome, bool first, Duration waited, Duration took);
  // Of an attempt that is over.
  void stages(const mail::StageTimes& times);
  // The same: by which keys it was signed.
  void signing(const mail::SigningRecord& record) {
    ++signings[static_cast<std::size_t>(record.end)];
  }
  void notice(DsnAction action) { ++notices[static_cast<std::size_t>(action)]; }
  void probed(ipc::ProbeVerdict verdict) { ++probes[static_cast<std::size_t>(verdict)]; }

  std::uint64_t messages = 0;
  std::uint64_t recipients = 0;
  std::array<std::array<std::uint64_t, 3>, kPools> outcomes{};  // by pool and disposition
  std::array<std::uint64_t, 6> replies{};                       // by first digit; 0: none
  std::array<std::uint64_t, 4> tls{};                           // deliveries, by TlsSeen
  std::array<std::uint64_t, 5> notices{};                       // by DsnAction
  std::array<std::uint64_t, 3> probes{};                        // by verdict
  std::uint64_t sessions = 0;                                   // open at the moment
  ipc::ReceiverNumbers receivers{};                             // of all smtpd, by Counted
  std::array<std::uint64_t, kSigningEnds> signings{};           // attempts, by mail::SigningEnd
  std::uint64_t senders_rewritten = 0;                          // messages, by SRS
  std::uint64_t senders_not_rewritten = 0;                      // that should have been
  std::uint64_t in_doubt = 0;
  std::uint64_t dropped = 0;    // recipients of reports that failed, with nobody to be told
  std::uint64_t discarded = 0;  // recipients whose mail is thrown away on purpose
  Histogram accept;
  Histogram wait;
  Histogram attempt;
  Histogram commit;              // of the queue database, with its sync
  std::vector<Histogram> stage;  // by mail::Stage
};

}  // namespace postwain::qmgr
