// What the tests of the scheduler share.
#pragma once

#include "qmgr/scheduling/scheduler.h"
#include "tests/unit/qmgr/support.h"

namespace postwain::qmgr::test {

inline Job job(std::uint64_t id, std::size_t recipients = 1,
               TrafficClass traffic_class = TrafficClass::interactive) {
  Job j{mail::QueueId{id}, traffic_class, at(1'000'000'000), {}};
  for (std::size_t i = 0; i < recipients; ++i)
    j.recipients.push_back(static_cast<std::uint32_t>(i));
  return j;
}

inline Scheduler make_scheduler(SchedulerLimits limits = {}) {
  Scheduler scheduler(limits, 1);
  scheduler.configure({std::chrono::seconds(60)}, {std::chrono::seconds(10)});
  return scheduler;
}

// An attempt of an ordinary message ends there.
inline HealthChange end_one(Scheduler& s, DestinationId d, AttemptEnd end, WallTime now) {
  return s.finished(Pick{d, job(1), false}, end, now);
}

// Gives a job and pins it as the queue does.
inline bool give(Scheduler& s, DestinationId d, Job j, WallTime now) {
  auto count = static_cast<std::uint32_t>(j.recipients.size());
  s.pin(d, count);
  if (s.offer(d, j, Scheduler::Source::accepted, now)) return true;
  s.due_at(d, now, now);
  s.unpin(d, count, now);
  return false;
}

}  // namespace postwain::qmgr::test
