// The scheduler: what may be sent now, in which order. A pure object: it is told the time and what
// happened, and gives decisions. No store, no loop, no clock; tests run it in virtual time.
//
// It holds a bounded window of due work per destination; the rest stays in the store and is asked
// for (refills) when half of the window is free, earliest due first. A destination may have no more
// in memory than what is still free for all others: however many are dead or slow, the next one
// finds room. While work waits in the store, fresh work takes only half of the window, so that it
// cannot overtake for ever.
//
// Fairness: deficit round robin over the classes (interactive, bulk, bounce), measured in
// recipients; within a class round robin over the destinations; within a destination first come
// first served. Bulk never takes the last slot of a destination, so a short note finds one free.
//
// Who may go where at once is DestinationHealth's business. Its hold is a clock of its own: a job
// behind it loses no attempt. What passes its milestone (warning, expiry) while it waits there is
// handed back by passed_over().
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
#include <vector>

#include "common/base/check.h"
#include "common/base/time.h"
#include "common/mail/queue_id.h"

#include "qmgr/destination_health.h"
#include "qmgr/message.h"

namespace postwain::qmgr {

enum class Pool : std::uint8_t { smtp, lmtp };  // which kind of delivery client
constexpr std::size_t kPools = 2;

using DestinationId = std::uint32_t;

// Recipients of one message that share a destination: the unit of a lease.
struct Job {
  mail::QueueId id;
  TrafficClass traffic_class = TrafficClass::interactive;
  WallTime milestone{};  // retry_policy.h: next_milestone
  std::vector<std::uint32_t> recipients;
};

struct SchedulerLimits {
  std::uint32_t window_recipients = 10000;               // queued in memory per destination at most
  std::uint32_t refill_recipients = 1000;                // asked from the store at once
  std::uint32_t total_recipients = 40000;                // queued in memory at all
  Duration idle_destination = std::chrono::minutes(10);  // then its window is forgotten
};

struct DestinationSettings {
  Pool pool = Pool::smtp;
  bool store_schedule = false;
  std::uint32_t concurrency = 0;
  std::uint32_t rate_count = 0;  // leases per rate_period; 0: no limit
  Duration rate_period{};
};

struct Pick {
  DestinationId destination = 0;
  Job job;
};

struct Refill {
  DestinationId destination = 0;
  std::string key;
  std::uint32_t limit = 0;  // rows to read, those already known included
};

// What an attempt told about its destination. undecided: it never got that far, or our own fault.
enum class AttemptEnd : std::uint8_t { reached, unreachable, undecided };

// One line of `queue stats`.
struct DestinationReport {
  std::string key;
  std::uint32_t queued = 0;  // recipients in memory
  std::uint32_t running = 0;
  double window = 0;
  bool open = false;
  WallTime hold_until{};
};

class Scheduler {
 public:
  Scheduler(SchedulerLimits limits, std::uint64_t seed) : limits_(limits), random_(seed) {}

  // Retry schedules: they bound how long a breaker holds.
  void configure(std::vector<Duration> retry, std::vector<Duration> retry_store);

  // Finds or makes the destination and gives it these settings.
  DestinationId destination(std::string_view key, const DestinationSettings& settings);
  std::optional<DestinationId> find(const std::string& key) const;
  const std::string& key(DestinationId id) const { return at(id).key; }
  // A pinned destination is not forgotten. One pin for each recipient known in memory; refills
  // count on that.
  void pin(DestinationId id, std::uint32_t count) { at(id).pins += count; }
  void unpin(DestinationId id, std::uint32_t count, WallTime now);

  // Work that may run now. False: no room; it stays in the store, and due_at is to be called.
  enum class Source : std::uint8_t { fresh, store };
  bool offer(DestinationId id, Job& job, Source source, WallTime now);
  // The store has work for it that is due then.
  void due_at(DestinationId id, WallTime when, WallTime now);
  // Takes the jobs of a message out again (hold, cancel). Running ones are not touched.
  void withdraw(DestinationId id, mail::QueueId message, WallTime now);

  void advance(WallTime now);  // time has passed
  std::optional<Pick> next(Pool pool, WallTime now);
  // An attempt picked by next() is over. True: the breaker changed and wants to be stored.
  bool finished(DestinationId id, TrafficClass traffic_class, AttemptEnd end, WallTime now);

  // What to read from the store; each is answered with refilled() after its rows were offered.
  std::vector<Refill> take_refills();
  void refilled(DestinationId id, std::optional<WallTime> next_due, WallTime now);
  // Jobs that sat behind an open breaker when their milestone came.
  std::vector<Pick> take_passed_over();

  std::optional<WallTime> wake_at() const;
  const DestinationHealth& health(DestinationId id) const { return at(id).health; }
  void restore_breaker(DestinationId id, const OpenBreaker& breaker, WallTime now);
  void release_hold(DestinationId id, WallTime now);

  // At most `limit`, those with an open breaker or with the most work first.
  std::vector<DestinationReport> report(std::size_t limit) const;
  std::size_t queued_jobs() const { return queued_jobs_; }
  std::size_t queued_recipients() const { return queued_recipients_; }
  std::size_t destinations() const { return by_key_.size(); }
  std::uint32_t running(DestinationId id) const { return at(id).running; }
  bool has_queued(Pool pool) const { return queued_in_pool_[static_cast<std::size_t>(pool)] > 0; }

 private:
  struct Destination {
    Destination(std::string_view name, const DestinationSettings& s)
        : key(name), settings(s), health(s.concurrency) {}
    std::string key;
    DestinationSettings settings;
    DestinationHealth health;
    std::array<std::vector<Job>, kTrafficClasses> jobs;  // first come at the front_ index
    std::array<std::uint32_t, kTrafficClasses> front{};
    std::array<bool, kTrafficClasses> in_ring{};
    std::uint32_t queued_recipients = 0;
    std::uint32_t running = 0;
    std::uint32_t running_bulk = 0;
    std::uint32_t pins = 0;
    bool refilling = false;
    std::optional<WallTime> store_due;
    WallTime rate_next{};
    std::optional<WallTime> wake;
    WallTime used_at{};
    WallTime earliest_milestone = WallTime::max();  // of the queued jobs; a lower bound
    bool starved = false;                           // in starved_

    bool has(std::size_t c) const { return front[c] < jobs[c].size(); }
    bool has_any() const { return queued_recipients > 0; }
  };

  Destination& at(DestinationId id) {
    PW_CHECK(id < slots_.size() && slots_[id]);
    return *slots_[id];
  }
  const Destination& at(DestinationId id) const {
    PW_CHECK(id < slots_.size() && slots_[id]);
    return *slots_[id];
  }
  std::uint32_t room_for(const Destination& d) const;
  bool eligible(const Destination& d, std::size_t c, WallTime now) const;
  bool rate_allows(const Destination& d, WallTime now) const;
  Job pop(Destination& d, std::size_t c);
  Pick start(DestinationId id, std::size_t c, WallTime now);
  void refresh(DestinationId id, WallTime now);
  void sweep(DestinationId id, WallTime now);
  void want_refill(DestinationId id, WallTime now);
  void put_back(Destination& d, std::size_t c, std::vector<Job> jobs);
  void set_wake(DestinationId id, WallTime now);
  WallTime forget_at(const Destination& d) const;
  bool forget_if_idle(DestinationId id, WallTime now);
  double unit() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  SchedulerLimits limits_;
  std::minstd_rand random_;
  std::vector<Duration> retry_;
  std::vector<Duration> retry_store_;
  std::vector<std::unique_ptr<Destination>> slots_;
  std::vector<DestinationId> free_slots_;
  std::unordered_map<std::string, DestinationId> by_key_;
  std::set<std::pair<WallTime, DestinationId>> wakes_;
  struct PoolRings {
    std::array<std::deque<DestinationId>, kTrafficClasses> rings;
    std::array<std::int64_t, kTrafficClasses> deficit{};
    std::size_t turn = 0;
  };
  std::array<PoolRings, kPools> pools_;
  std::array<std::size_t, kPools> queued_in_pool_{};
  std::vector<Refill> refills_;
  std::vector<Pick> passed_over_;
  std::deque<DestinationId> starved_;  // due in the store, but memory was full
  std::size_t queued_jobs_ = 0;
  std::size_t queued_recipients_ = 0;
};

}  // namespace postwain::qmgr
