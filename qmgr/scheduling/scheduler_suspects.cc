// What is broken off behind MAIL, and what follows of it for the jobs that wait.
#include <algorithm>
#include <cstdint>
#include <utility>

#include "common/base/check.h"

#include "qmgr/scheduling/scheduler.h"

namespace postwain::qmgr {

// A trial that is broken off has not shown that the destination is back, whoever it was for. Else
// it is the destination's trouble only when it follows nobody.
HealthChange Scheduler::broke_off(const Pick& pick, WallTime now, const BrokenAt& at_whom) {
  Destination& d = at(pick.destination);
  Marks marks = pick.job.marks;
  if (at_whom.recipient != 0) marks.recipient = at_whom.recipient;
  bool spread = suspects_of(d).broke_off(pick.job.id, marks, at_whom.reason, now,
                                         {steps_of(d), retry_of(d), unit()});
  HealthChange changed;
  changed.suspect = suspects_of(d).take_news();
  if (spread || d.health.is_open())
    changed.destination =
        d.health.failed(now, steps_of(d), retry_of(d), unit(), spread && d.set == nullptr);
  else
    d.health.strained();
  if (d.set == nullptr) return changed;
  if (spread || d.set->health.is_open())
    changed.mx_set = d.set->health.failed(now, steps_of(d), retry_of(d), unit(), spread);
  else
    d.set->health.strained();
  return changed;
}

Job Scheduler::take_job(Destination& d, std::size_t lane, WallTime now) {
  if (lane == kTrialLane && knows_failures(d)) return take_trial(d);
  JobQueue& jobs = d.jobs[lane == kTrialLane ? best_class(d, now) : lane];
  return d.catching_up ? jobs.pop_oldest() : jobs.pop(now);
}

bool Scheduler::knows_failures(const Destination& d) {
  const Suspects& suspects = d.set != nullptr ? d.set->suspects : d.suspects;
  bool known = !suspects.idle();
  for (const JobQueue& jobs : d.jobs)
    jobs.for_each([&known](const Job& job) { known = known || job.failures > 0; });
  return known;
}

// Of all that wait, the one that least speaks against: when it fails, too, it is the destination.
Job Scheduler::take_trial(Destination& d) {
  const Suspects& suspects = suspects_of(d);
  auto weight = [&suspects](const Job& job) {
    return std::uint64_t{suspects.weight(job.id, job.marks)} + job.failures;
  };
  JobQueue* best = nullptr;
  std::uint64_t least = 0;
  for (JobQueue& jobs : d.jobs) {
    if (jobs.empty()) continue;
    std::uint64_t lightest = UINT64_MAX;
    jobs.for_each([&](const Job& job) { lightest = std::min(lightest, weight(job)); });
    if (best != nullptr && lightest >= least) continue;
    best = &jobs;
    least = lightest;
  }
  PW_CHECK(best != nullptr);
  return best->pop_least(weight);
}

// True: the job has to wait for its sender's or its recipient's sake.
bool Scheduler::put_off(DestinationId id, Job& job, WallTime now) {
  Destination& d = at(id);
  Suspects& suspects = suspects_of(d);
  Suspects::Steps steps{steps_of(d), retry_of(d), unit()};
  std::optional<Suspects::Hold> hold = suspects.hold(job.id, job.marks, now, steps);
  if (!hold) return false;
  // Who has failed himself comes behind those who have not, and not all at once.
  WallTime until = hold->until;
  if (job.failures > 0)
    until += Duration(
        static_cast<std::int64_t>(unit() * 0.5 * static_cast<double>((hold->until - now).count())));
  put_off_.push_back({id, std::move(job), until, std::string(hold->reason)});
  return true;
}

std::vector<PutOff> Scheduler::take_put_off() {
  return std::exchange(put_off_, {});
}

}  // namespace postwain::qmgr
