// The scheduler: what may be sent now, in which order. A pure object: it is told the time and what
// happened, and gives decisions. No store, no loop, no clock; tests run it in virtual time.
//
// It holds due work of each destination within a bounded room; the rest stays in the store and is
// asked for (refills) when half of the room is free, earliest due first. A destination may have no
// more in memory than what is still free for all others: however many are dead or slow, the next
// one finds room. Bulk fills half of that room at most, and while work waits in the store, new work
// takes only half of what it could, so that it cannot overtake for ever.
//
// Fairness: deficit round robin over four lanes (interactive, bulk, bounce, and trial: attempts at
// destinations whose breaker is half open), measured in recipients; within a lane round robin over
// the destinations; within a destination by waited time per remaining recipient
// (scheduler_queue.h). Bulk never takes the last slot of a destination, an MX set or a route, nor
// the last tenth of all slots, so a short note finds one free.
//
// What is broken off behind MAIL may be one sender's or one mailbox's trouble (suspects.h): then
// only their mail waits, by put_off(), and no breaker opens. The trial of a half-open breaker is
// the job that fewest failures speak against.
//
// Who may go where at once is DestinationHealth's business, once for the destination and once for
// its MX set; the tighter holds. Where TCP connections are counted (connection_ledger.h does that),
// there are never more attempts than keep that many busy: what one carries at a time, as the agents
// find out, and one more at hand. How many there may be in a time is DestinationRates' business;
// where other nodes share a rate it is asked last, for what nothing else bars and an agent could
// take. A hold is a clock of its own: a job behind it loses no attempt.
// So is an operator's suspension. What passes its milestone (warning, expiry) while it waits there
// is handed back by take_milestones_due().
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/check.h"
#include "common/base/time.h"
#include "common/mail/queue_id.h"

#include "qmgr/model/message.h"
#include "qmgr/model/store_cursor.h"
#include "qmgr/scheduling/destination_health.h"
#include "qmgr/scheduling/destination_rates.h"
#include "qmgr/scheduling/scheduler_limits.h"
#include "qmgr/scheduling/scheduler_queue.h"
#include "qmgr/scheduling/scheduler_trials.h"
#include "qmgr/scheduling/suspects.h"

namespace postwain::qmgr {

enum class Pool : std::uint8_t { smtp, lmtp };  // which kind of delivery client
constexpr std::size_t kPools = 2;

// Lanes: the classes of mail, and after them the trials of destinations that are half open.
constexpr std::size_t kTrialLane = kTrafficClasses;
constexpr std::size_t kLanes = kTrafficClasses + 1;
constexpr std::size_t kFairShareLeases = 200;  // leases, from which on a pool is shared out
constexpr std::size_t kFairShareJobs = 4000;   // in memory: then nobody unreachable has many
constexpr std::uint32_t kUnreachedRoom = 5;    // recipients in memory of such a destination

struct SchedulerLimits {
  std::uint32_t destination_recipients = 20000;  // queued in memory per destination at most
  std::uint32_t refill_recipients = 1000;        // asked from the store at once
  std::uint32_t total_jobs = 16000;         // queued in memory at all; working_set.h: kMessagesMax
  std::uint32_t total_recipients = 100000;  // queued in memory at all
  Duration idle_destination = std::chrono::minutes(10);  // then its window is forgotten
};

struct DestinationSettings {
  Pool pool = Pool::smtp;
  bool mailbox_schedule = false;
  std::uint32_t connections = 0;  // TCP connections at a time; 0: nobody counts them
  std::uint32_t in_flight = 0;    // messages on their way over one of them, at most; 0: no limit
  bool counted = false;           // that, or something else, has connections counted
  std::uint32_t rate_count = 0;   // leases per rate_period; 0: no limit
  Duration rate_period{};
  std::uint32_t drain_count = 0;  // the same after an outage; 0: as always
  Duration drain_period{};
  std::uint32_t route = 0;              // number of the route, 0: none
  std::uint32_t route_connections = 0;  // of all its destinations together; 0: no limit
};

struct Pick {
  DestinationId destination = 0;
  Job job;
  bool trial = false;
};

struct Refill {
  DestinationId destination = 0;
  std::string key;
  std::uint32_t limit = 0;  // rows to read
  StoreCursor after;
};

// What an attempt told about its destination. undecided: it never got that far, or our own fault.
// broken_off: it ended behind MAIL, by 421 or without a reply.
enum class AttemptEnd : std::uint8_t { reached, unreachable, broken_off, undecided };

// Whom and what an attempt broke off on.
struct BrokenAt {
  std::uint32_t recipient = 0;  // mark_of() the one it ended at; 0: none in particular
  std::string_view reason;
};

// A job that waits because its sender or recipient is under suspicion: back to the store until
// then.
struct PutOff {
  DestinationId destination = 0;
  Job job;
  WallTime until{};
  std::string reason;  // of the last attempt that was broken off
};

// Which breakers an attempt has changed: they want to be stored.
struct HealthChange {
  bool destination = false;
  bool mx_set = false;
  std::optional<Suspects::News> suspect{};  // whose mail waits from now on; only to be told
  explicit operator bool() const { return destination || mx_set; }
};

// One line of `queue destinations`.
struct DestinationReport {
  std::string key;
  std::uint32_t queued = 0;  // recipients in memory
  std::uint32_t running = 0;
  double window = 0;
  bool open = false;
  WallTime hold_until{};
  std::string mx_set;  // empty: not known
  bool mx_set_open = false;
  std::optional<WallTime> suspended_until;
  bool draining = false;
};

class Scheduler {
 public:
  Scheduler(SchedulerLimits limits, std::uint64_t seed) : limits_(limits), random_(seed) {}

  // Retry schedules: they bound how long a breaker holds.
  void configure(std::vector<Duration> retry, std::vector<Duration> retry_mailbox);

  // How many leases the agents of a pool can have at once; 0: not known. Bulk may have nine tenths
  // of them, bounces half, trials a fifth, and destinations that were never reached half: however
  // many of them are dead, mail for the others goes on.
  void set_capacity(Pool pool, std::size_t leases) { pool_of(pool).capacity = leases; }

  // Finds or makes the destination and gives it these settings.
  DestinationId destination(std::string_view key, const DestinationSettings& settings);
  std::optional<DestinationId> find(const std::string& key) const;
  const std::string& key(DestinationId id) const { return at(id).key; }
  // A pinned destination is not forgotten. One pin for each recipient known in memory; refills
  // count on that.
  void pin(DestinationId id, std::uint32_t count) { at(id).pins += count; }
  void unpin(DestinationId id, std::uint32_t count, WallTime now);

  // Work that may run now. False: no room; it stays in the store, and due_at is to be called.
  enum class Source : std::uint8_t { accepted, store };
  bool offer(DestinationId id, Job& job, Source source, WallTime now);
  // The store has work for it that is due then: the rows' own time, since reading goes on behind
  // the last row read.
  void due_at(DestinationId id, WallTime when, WallTime now);
  // A row that was read could not be settled: all are looked at again, not before `when`.
  void read_again(DestinationId id, WallTime when, WallTime now);
  // Takes the jobs of a message out again (hold, cancel). Running ones are not touched.
  void withdraw(DestinationId id, mail::QueueId message, WallTime now);

  void advance(WallTime now);  // time has passed
  std::optional<Pick> next(Pool pool, WallTime now);
  // How many more of that class would be picked at once if they were offered now; nothing where
  // none would be, however many attempts end there.
  std::optional<std::uint32_t> free_places(DestinationId id, TrafficClass c, WallTime now) const;
  // An agent has seen how many messages it makes use of for one connection there: those on their
  // way at a time, and the next one.
  void note_flight(DestinationId id, std::uint32_t messages) { at(id).flight = messages; }
  bool counts_connections(DestinationId id) const { return at(id).settings.counted; }
  // An attempt picked by next() is over.
  HealthChange finished(const Pick& pick, AttemptEnd end, WallTime now, const BrokenAt& at = {});

  // What to read from the store; each is answered with refilled() after its rows were offered.
  std::vector<Refill> take_refills();
  // after: the last row of which this and all before are in memory or of no interest.
  void refilled(DestinationId id, std::optional<WallTime> next_due, const StoreCursor& after,
                WallTime now);
  // Jobs that sat behind an open breaker or a suspension when their milestone came.
  std::vector<Pick> take_milestones_due();
  std::vector<PutOff> take_put_off();

  std::optional<WallTime> wake_at() const;
  const DestinationHealth& health(DestinationId id) const { return at(id).health; }
  void restore_breaker(DestinationId id, const OpenBreaker& breaker, WallTime now);
  void release_hold(DestinationId id, WallTime now);

  // The hosts behind the destination, as the agent found them; empty: no longer known.
  void associate(DestinationId id, std::string_view mx_set, WallTime now);
  const MxSet* mx_set(DestinationId id) const { return at(id).set; }
  void restore_set_breaker(std::string_view mx_set, const OpenBreaker& breaker, WallTime now);
  // Another node has reached it. False: it was not open.
  bool close_breaker(DestinationId id, WallTime now);
  bool close_set_breaker(std::string_view mx_set, WallTime now);

  // From now on no trial begins before it was granted (scheduler_trials.h).
  void ask_for_trials() { asks_for_trials_ = true; }
  std::vector<BreakerName> take_trials_wanted() { return std::exchange(trials_wanted_, {}); }
  void grant_trial(const BreakerName& name, WallTime now);
  // Asked for again at `again`, if it is wanted then.
  void refuse_trial(const BreakerName& name, WallTime again, WallTime now);
  TrialUse trial_use(const BreakerName& name) const;
  // Null: it is not known.
  const DestinationHealth* health_of(const BreakerName& name) const { return health_at(name); }
  // What was granted and is not used is granted no more.
  void revoke_trial(const BreakerName& name, WallTime now);
  // An operator wants nothing sent there before that; WallTime::max(): until further notice.
  void suspend(DestinationId id, WallTime until, WallTime now);
  void resume(DestinationId id, WallTime now);
  bool is_catching_up(DestinationId id) const { return at(id).catching_up; }
  bool is_suspended(DestinationId id) const { return at(id).suspended_until.has_value(); }

  // Rates that other nodes share, and what is new of them.
  DestinationRates& rates() { return rates_; }

  // At most `limit`, those with an open breaker or with the most work first.
  std::vector<DestinationReport> report(std::size_t limit) const;
  std::size_t queued_jobs() const { return queued_jobs_; }
  // Those of destinations that are reached and take mail at the moment.
  std::size_t moving_jobs() const { return moving_jobs_; }
  std::size_t queued_recipients() const { return queued_recipients_; }
  std::size_t destinations() const { return by_key_.size(); }
  std::uint32_t running(DestinationId id) const { return at(id).running; }
  bool has_queued(Pool pool) const { return queued_in_pool_[static_cast<std::size_t>(pool)] > 0; }

 private:
  struct Destination {
    Destination(std::string_view name, const DestinationSettings& s)
        : key(name), settings(s), health(window_cap(s)) {
      health.set_cap(window_cap(s), s.connections > 0);
    }
    std::string key;
    DestinationSettings settings;
    DestinationHealth health;
    Suspects suspects;  // while the MX set is not known
    std::array<JobQueue, kTrafficClasses> jobs;
    std::array<bool, kLanes> in_ring{};
    std::array<bool, 2> in_line{};  // waits for a shared limit, as SharedLimit::waiting
    std::uint32_t queued_recipients = 0;
    std::uint32_t queued_bulk = 0;  // of them
    std::uint32_t running = 0;
    std::uint32_t running_bulk = 0;
    std::uint32_t flight = 1;  // note_flight()
    std::uint32_t pins = 0;
    bool refilling = false;
    MxSet* set = nullptr;
    StoreCursor cursor;
    // It was out of reach, or an operator kept it so, and what waited for that is being worked off:
    // at a rate of its own, the oldest first.
    bool catching_up = false;
    bool more_follows = false;  // behind the cursor, due already
    bool cursor_lost = false;   // reading must begin anew, whatever runs meanwhile
    std::optional<WallTime> suspended_until;
    std::optional<WallTime> store_due;
    DestinationPace pace;
    std::optional<WallTime> wake;
    WallTime used_at{};
    WallTime earliest_milestone = WallTime::max();  // of the queued jobs; a lower bound
    bool starved = false;                           // in starved_
    std::size_t moving = 0;                         // jobs counted in moving_jobs_

    bool has(std::size_t c) const { return !jobs[c].empty(); }
    bool has_any() const { return queued_recipients > 0; }
    std::size_t queued_jobs() const {
      std::size_t sum = 0;
      for (const JobQueue& one : jobs) sum += one.size();
      return sum;
    }
    bool half_open() const { return health.is_open() || (set != nullptr && set->health.is_open()); }
  };

  Destination& at(DestinationId id) {
    PW_CHECK(id < slots_.size() && slots_[id]);
    return *slots_[id];
  }
  const Destination& at(DestinationId id) const {
    PW_CHECK(id < slots_.size() && slots_[id]);
    return *slots_[id];
  }
  void count_moving(Destination& d);
  std::uint32_t room_for(const Destination& d) const;
  std::uint32_t job_room_for(const Destination& d) const;
  bool has_place(const Destination& d, TrafficClass c, Source source, WallTime now) const;
  bool wants_more(const Destination& d) const;
  static std::uint32_t window_cap(const DestinationSettings& settings);
  static std::uint32_t attempts_per_connection(const Destination& d);
  // Attempts that keep so many connections busy.
  static std::uint32_t attempts_for(const Destination& d, std::uint32_t connections);
  static std::uint32_t places_in_set(const Destination& d, WallTime now);
  // Why a lane of a destination may not run now.
  enum class Bar : std::uint8_t { none, own, route, mx_set, unproven, trial };
  Bar bar(const Destination& d, std::size_t lane, WallTime now) const;
  static bool has_trial(const Destination& d);
  void want_trial(Destination& d, WallTime now);
  static void count_trial(Destination& d, int change);
  DestinationHealth* health_at(const BreakerName& name) const;
  void refresh_all(const BreakerName& name, WallTime now);
  void set_changed(MxSet& set, WallTime now);
  static LeaseRate rate_of(const Destination& d);
  std::optional<WallTime> rate_due(const Destination& d, WallTime now) const {
    return rates_.due(d.pace, d.set, rate_of(d), now);
  }
  bool has_step(DestinationId id, WallTime now);
  void count_rate(DestinationId id, WallTime now);
  void look_at_rates(WallTime now);
  void look_in_turn(std::vector<DestinationId> ids, WallTime now);
  static void end_catching_up(Destination& d, WallTime now);
  std::size_t best_class(const Destination& d, WallTime now) const;
  void count_in(Destination& d, const Job& job);
  void count_out(Destination& d, const Job& job);
  std::optional<Pick> start(DestinationId id, std::size_t lane, WallTime now);
  Job take_job(Destination& d, std::size_t lane, WallTime now);
  static bool knows_failures(const Destination& d);
  Job take_trial(Destination& d);
  bool put_off(DestinationId id, Job& job, WallTime now);
  HealthChange broke_off(const Pick& pick, WallTime now, const BrokenAt& at);
  static Suspects& suspects_of(Destination& d) {
    return d.set != nullptr ? d.set->suspects : d.suspects;
  }
  const BreakerSteps& steps_of(const Destination& d) const {
    return d.settings.mailbox_schedule ? kMailboxSteps : kInternetSteps;
  }
  const std::vector<Duration>& retry_of(const Destination& d) const {
    return d.settings.mailbox_schedule ? retry_mailbox_ : retry_;
  }
  void refresh(DestinationId id, WallTime now);
  void place(DestinationId id, WallTime now);
  void stand_in_line(DestinationId id, SharedLimit& limit, bool bulk);
  void leave_line(DestinationId id, SharedLimit& limit);
  void left(DestinationId id, bool changed, WallTime now);
  void proven(DestinationId id);
  void leave_set(DestinationId id);
  void change_route(DestinationId id, const DestinationSettings& settings);
  void restart_reading(Destination& d);
  void wake_line(SharedLimit& limit, std::uint32_t places, WallTime now);
  RouteLimit* route_of(const Destination& d);
  void count_running(Destination& d, TrafficClass c, bool trial, int change);
  void sweep(DestinationId id, WallTime now);
  void want_refill(DestinationId id, WallTime now);
  void set_wake(DestinationId id, WallTime now);
  void move_wake(DestinationId id, std::optional<WallTime> when);
  WallTime forget_at(const Destination& d) const;
  bool forget_if_idle(DestinationId id, WallTime now);
  double unit() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  SchedulerLimits limits_;
  std::minstd_rand random_;
  std::vector<Duration> retry_;
  std::vector<Duration> retry_mailbox_;
  std::vector<std::unique_ptr<Destination>> slots_;
  std::vector<DestinationId> free_slots_;
  std::unordered_map<std::string, DestinationId> by_key_;
  std::set<std::pair<WallTime, DestinationId>> wakes_;
  struct PoolRings {
    std::array<std::deque<DestinationId>, kLanes> rings;
    std::array<std::int64_t, kLanes> deficit{};
    std::array<std::int64_t, kLanes> running{};
    std::size_t turn = 0;
    std::size_t capacity = 0;
    bool closed(std::size_t lane) const;  // has all the slots it may have
    SharedLimit unproven;                 // leases of destinations that were never reached
    // 0: no limit. Few leases are not shared out.
    std::uint32_t unproven_places() const {
      return capacity < kFairShareLeases ? 0 : static_cast<std::uint32_t>(capacity / 2);
    }
  };
  PoolRings& pool_of(Pool pool) { return pools_[static_cast<std::size_t>(pool)]; }
  std::array<PoolRings, kPools> pools_;
  std::unordered_map<std::uint32_t, RouteLimit> routes_;
  std::unordered_map<std::string, std::unique_ptr<MxSet>> mx_sets_;
  std::array<std::size_t, kPools> queued_in_pool_{};
  std::vector<Refill> refills_;
  std::vector<Pick> milestones_due_;
  std::vector<PutOff> put_off_;
  DestinationRates rates_;
  bool asks_for_trials_ = false;
  std::vector<BreakerName> trials_wanted_;
  std::deque<DestinationId> starved_;  // due in the store, but memory was full
  std::size_t queued_jobs_ = 0;
  std::size_t moving_jobs_ = 0;
  std::size_t queued_recipients_ = 0;
};

}  // namespace postwain::qmgr
