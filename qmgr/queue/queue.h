// The queue as the loop sees it: joins its parts and begins and ends them in order. Each part says
// in its own header what it decides; whatever changes a recipient goes through the store first and
// is told afterwards.
//
// It speaks no protocol and knows no connections: intake.h hands it new messages, delivery.h takes
// leases from it and returns outcomes, control.h reads and acts.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/config/config_fwd.h"
#include "common/net/loop.h"

#include "qmgr/destinations/breakers.h"
#include "qmgr/destinations/host_lacks.h"
#include "qmgr/destinations/sts_policies.h"
#include "qmgr/entering/acceptance.h"
#include "qmgr/entering/refilling.h"
#include "qmgr/entering/suspensions.h"
#include "qmgr/entering/waits.h"
#include "qmgr/judging/judging.h"
#include "qmgr/leaving/leasing.h"
#include "qmgr/leaving/operator_actions.h"
#include "qmgr/queue/bag_doors.h"
#include "qmgr/queue/clock_watch.h"
#include "qmgr/queue/piece_sweep.h"
#include "qmgr/queue/queue_totals.h"
#include "qmgr/queue/start.h"
#include "qmgr/store/cpu_pressure.h"

namespace postwain::qmgr {

class Queue {
 public:
  // clock and store outlive it; the store answers on the loop.
  Queue(net::Loop& loop, Clock& clock, StoreService& store, ContentFolder files,
        ObservedTime observed, const config::Config& config, QueueHooks hooks);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Reads what a former qmgr left behind (start.h).
  void recover() {
    start_.begin();
    piece_sweep_.begin();
  }
  const Start& start() const { return start_; }
  // Of bags that are ours, before recover(): attempts of former terms (start.h).
  void inherit(std::vector<AttemptName> names) { start_.inherit(std::move(names)); }
  BagDoors& bags() { return bags_; }
  // A new configuration: what is queued in memory is routed again.
  void configure(const config::Config& config);
  // Time has passed: wakes what is due. It is wanted again at wake_at().
  void advance();
  std::optional<WallTime> wake_at() const { return core_.scheduler.wake_at(); }
  void watch(CpuPressure cpu_pressure) { cpu_pressure_ = std::move(cpu_pressure); }
  // Commits everything and closes the store.
  void finish();

  // The parts, by the way of a message.
  Acceptance& acceptance() { return entering_.acceptance; }
  EarlyNames& early_names() { return entering_.early_names; }
  Leasing& leasing() { return leaving_.leasing; }
  LateOutcomes& late_outcomes() { return leaving_.late_outcomes; }
  OperatorActions& operator_actions() { return leaving_.operator_actions; }
  Judging& judging() { return judging_; }
  ContentAccess& content() { return content_; }
  // What is known of destinations.
  Destinations& destinations() { return known_.destinations; }
  MxSets& mx_sets() { return known_.mx_sets; }
  StsPolicies& sts_policies() { return known_.sts_policies; }
  LackingHosts& lacking_hosts() { return known_.lacking_hosts; }
  Breakers& breakers() { return known_.breakers; }
  Suspensions& suspensions() { return entering_.suspensions; }
  Waits& waits() { return entering_.waits; }
  // Neither suspended nor behind a breaker, as far as is known; not before that has been read.
  bool is_reachable(const std::string& destination) const {
    return start_.holds_known() && entering_.waits.is_reachable(destination);
  }
  // Numbers, clocks, and what all parts work on.
  QueueTotals& totals() { return totals_; }
  ClockWatch& clock_watch() { return clock_watch_; }
  StoreService& store() { return core_.store; }
  Recorder& recorder() { return recorder_; }
  Metrics& metrics() { return core_.metrics; }
  const Scheduler& scheduler() const { return core_.scheduler; }
  const WorkingSet& working() const { return core_.working; }
  const config::Config& config() const { return core_.config; }
  mail::QueueId next_id() { return core_.next_id(); }
  // Of a queue that several machines share: ids that are given from now on are of these bags
  // (mail::QueueIdSource::keep_to), and of the first worker of that node.
  void keep_ids_to(std::uint64_t bags) { core_.ids.keep_to(bags); }
  void set_worker_range(std::uint8_t node) {
    core_.ids.set_worker(static_cast<std::uint16_t>(node * mail::kWorkersOfANode));
  }

 private:
  struct Known {
    explicit Known(QueueCore& core);
    SplitDomains split;
    MxSets mx_sets;
    StsPolicies sts_policies;
    LackingHosts lacking_hosts;
    Destinations destinations;
    Breakers breakers;
  };
  struct Entering {
    Entering(Queue& queue, const RetryTerms& terms);
    PutBack put_back;
    Suspensions suspensions;
    Waits waits;
    Notices notices;
    Offering offering;
    EarlyNames early_names;
    Acceptance acceptance;
    Refilling refilling;
  };
  struct Leaving {
    explicit Leaving(Queue& queue);
    AfterCommit after_commit;
    Settling settling;
    LateOutcomes late_outcomes;
    OperatorActions operator_actions;
    Leasing leasing;
  };

  Recorder recorder_;
  QueueCore core_;
  ContentAccess content_;
  ClockWatch clock_watch_;
  CpuPressure cpu_pressure_;
  RetryTerms terms_;
  BlockedRecipients blocked_;
  Known known_;
  Entering entering_;
  Leaving leaving_;
  Judging judging_;
  QueueTotals totals_;
  Start start_;
  BagDoors bags_;
  PieceSweep piece_sweep_;
};

}  // namespace postwain::qmgr
