// What all parts of the queue work on: the configuration with its routes, the messages in memory
// and their schedule, the numbers, the store. A part changes only what its own header says. One
// thread, that of the loop.
#pragma once

#include <functional>
#include <memory>

#include "common/base/clock.h"
#include "common/config/config.h"
#include "common/mail/queue_id.h"
#include "common/rewrite/rewriter.h"

#include "qmgr/history/recorder.h"
#include "qmgr/routing/forwarding.h"
#include "qmgr/routing/router.h"
#include "qmgr/scheduling/overflow_list.h"
#include "qmgr/scheduling/scheduler.h"
#include "qmgr/scheduling/working_set.h"
#include "qmgr/shared/metrics.h"
#include "qmgr/store/queue_counts.h"
#include "qmgr/store/store_service.h"

namespace postwain::qmgr {

// What the parts of the queue tell whoever owns it.
struct QueueHooks {
  std::function<void()> on_work;  // perhaps there is something to lease or to wake for
  std::function<void(const StoreError&)> on_broken;
  // What became of a recipient, as the agent reported it.
  std::function<void(const mail::Address&, const mail::Outcome&)> on_outcome = nullptr;
  // What a former qmgr had lent is known (lent_before.h).
  std::function<void()> on_left_known = nullptr;
  // An attempt of ours has ended so, whose message is another node's by now.
  std::function<void(mail::QueueId, std::uint32_t index, const mail::Outcome&)> on_elsewhere =
      nullptr;
};

struct QueueCore {
  QueueCore(Clock& the_clock, StoreService& the_store, Recorder& the_recorder, QueueHooks the_hooks)
      : clock(the_clock),
        store(the_store),
        recorder(the_recorder),
        hooks(std::move(the_hooks)),
        scheduler(SchedulerLimits{}, static_cast<std::uint64_t>(to_unix_ms(the_clock.wall()))) {}

  mail::QueueId next_id() { return ids.next(clock.wall()); }

  Clock& clock;
  StoreService& store;
  Recorder& recorder;
  QueueHooks hooks;
  config::Config config;
  std::unique_ptr<Router> router;
  std::unique_ptr<rewrite::Rewriter> rewriter;
  std::unique_ptr<Forwarding> forwarding;
  Scheduler scheduler;
  WorkingSet working;
  OverflowList overflow;
  QueueCounts counts;
  Metrics metrics;
  mail::QueueIdSource ids{0};  // worker 0 is qmgr itself
  // Bags of which nothing is taken into memory (mail::QueueId::bag()): another node's, and those
  // that are about to go there. None where the queue is one machine's.
  std::uint64_t closed_bags = 0;
  // The queue ends: an answer that comes now may update numbers and the log; it schedules nothing
  // and asks the store for nothing.
  bool finishing = false;
};

}  // namespace postwain::qmgr
