// The scheduler in virtual time: single rules, and a simulation with seeds that never loses a
// recipient, never sends one twice, and keeps every window.
#include <map>
#include <random>

#include <catch2/catch.hpp>

#include "tests/unit/scheduling/scheduler_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using test::at;
using test::end_one;
using test::give;
using test::job;
using test::make_scheduler;

TEST_CASE("windows: five at first, more after success") {
  Scheduler s = make_scheduler();
  DestinationId d = s.destination("mx:a", {});
  for (std::uint64_t i = 1; i <= 100; ++i) REQUIRE(give(s, d, job(i), at(0)));
  std::vector<Pick> running;
  while (auto pick = s.next(Pool::smtp, at(0))) running.push_back(*std::move(pick));
  REQUIRE(running.size() == 5);
  REQUIRE(running[0].job.id.value == 1);
  REQUIRE(running[4].job.id.value == 5);
  REQUIRE_FALSE(s.next(Pool::lmtp, at(0)).has_value());
  for (int i = 0; i < 5; ++i) end_one(s, d, AttemptEnd::reached, at(1));
  int next = 0;
  while (s.next(Pool::smtp, at(1))) ++next;
  REQUIRE(next == 5);
  for (int i = 0; i < 5; ++i) end_one(s, d, AttemptEnd::reached, at(1));
  while (s.next(Pool::smtp, at(1))) ++next;
  REQUIRE(next == 11);
}

TEST_CASE("a dead destination delays no other, and takes bounded memory") {
  SchedulerLimits limits;
  limits.destination_recipients = 100;
  Scheduler s = make_scheduler(limits);
  DestinationId dead = s.destination("mx:dead", {});
  DestinationId fine = s.destination("mx:fine", {});
  std::size_t kept = 0;
  for (std::uint64_t i = 1; i <= 10000; ++i) kept += give(s, dead, job(i), at(0)) ? 1 : 0;
  REQUIRE(kept == 100);
  REQUIRE(give(s, fine, job(20000), at(0)));
  std::vector<std::uint64_t> order;
  while (auto pick = s.next(Pool::smtp, at(0))) order.push_back(pick->job.id.value);
  REQUIRE(order.size() == 6);
  REQUIRE(std::find(order.begin(), order.begin() + 2, 20000) != order.begin() + 2);
  REQUIRE(s.take_refills().empty());  // the window is full: nothing more is asked for

  for (int i = 0; i < 5; ++i) end_one(s, dead, AttemptEnd::unreachable, at(1));
  REQUIRE(s.health(dead).is_open());
  REQUIRE_FALSE(s.next(Pool::smtp, at(2)).has_value());
  REQUIRE(s.wake_at() == s.health(dead).hold_until());
  WallTime trial = *s.wake_at();
  s.advance(trial);
  REQUIRE(s.next(Pool::smtp, trial).has_value());
  REQUIRE_FALSE(s.next(Pool::smtp, trial).has_value());  // one trial only
  REQUIRE(end_one(s, dead, AttemptEnd::reached, trial));
  int after = 0;
  while (s.next(Pool::smtp, trial)) ++after;
  REQUIRE(after == 2);
}

TEST_CASE("a note does not wait behind a mailing") {
  Scheduler s = make_scheduler();
  DestinationId d = s.destination("mx:a", {});
  // 50,000 recipients in leases of 100; the store keeps most of them.
  for (std::uint64_t i = 1; i <= 10; ++i) give(s, d, job(i, 100, TrafficClass::bulk), at(0));
  int bulk = 0;
  while (s.next(Pool::smtp, at(0))) ++bulk;
  REQUIRE(bulk == 4);  // the last slot is not for bulk
  give(s, d, job(100), at(1));
  auto note = s.next(Pool::smtp, at(1));
  REQUIRE(note.has_value());
  REQUIRE(note->job.id.value == 100);

  SECTION("and in competition gets its share") {
    // Many notes and much bulk for many destinations, one free slot at a time.
    std::map<TrafficClass, int> taken;
    for (int i = 0; i < 40; ++i) {
      DestinationId other = s.destination("mx:o" + std::to_string(i), {});
      give(s, other, job(1000 + static_cast<std::uint64_t>(i), 10, TrafficClass::bulk), at(2));
      give(s, other, job(2000 + static_cast<std::uint64_t>(i), 1), at(2));
      give(s, other, job(3000 + static_cast<std::uint64_t>(i), 1, TrafficClass::bounce), at(2));
    }
    for (int i = 0; i < 60; ++i) ++taken[s.next(Pool::smtp, at(2))->job.traffic_class];
    REQUIRE(taken[TrafficClass::interactive] == 40);
    REQUIRE(taken[TrafficClass::bounce] > 0);
  }
}

TEST_CASE("rates") {
  Scheduler s = make_scheduler();
  DestinationSettings settings;
  settings.rate_count = 10;
  settings.rate_period = 10s;
  DestinationId d = s.destination("mx:a", settings);
  for (std::uint64_t i = 1; i <= 50; ++i) give(s, d, job(i), at(0));
  int sent = 0;
  for (std::int64_t ms = 0; ms < 10'000; ms += 50) {
    s.advance(at(ms));
    while (s.next(Pool::smtp, at(ms))) {
      ++sent;
      end_one(s, d, AttemptEnd::reached, at(ms));
    }
  }
  REQUIRE(sent >= 10);
  REQUIRE(sent <= 12);
}

TEST_CASE("after an outage: oldest first, whatever its size, at the pace of the route") {
  Scheduler s = make_scheduler();
  DestinationSettings settings;
  settings.drain_count = 10;
  settings.drain_period = 10s;
  DestinationId d = s.destination("lmtp:a", settings);
  for (std::uint64_t i = 1; i <= 3; ++i)
    REQUIRE(give(s, d, job(i, i == 1 ? 50 : 1), at(static_cast<std::int64_t>(i) * 1000)));
  bool suspended = GENERATE(true, false);
  if (suspended) {
    s.suspend(d, WallTime::max(), at(4000));
    REQUIRE_FALSE(s.next(Pool::smtp, at(5000)));
    s.resume(d, at(20000));
  } else {
    s.restore_breaker(d, {"lmtp:a", 1, at(4000), at(10000), ""}, at(4000));
    REQUIRE_FALSE(s.next(Pool::smtp, at(5000)));
    s.advance(at(11000));
    auto trial = s.next(Pool::smtp, at(11000));
    REQUIRE(trial);
    REQUIRE(end_one(s, d, AttemptEnd::reached, at(20000)).destination);
  }
  REQUIRE(s.is_catching_up(d));
  std::vector<std::uint64_t> order;
  for (auto pick = s.next(Pool::smtp, at(20000)); pick; pick = s.next(Pool::smtp, at(20000)))
    order.push_back(pick->job.id.value);
  // A tenth of the period's amount at once, then one a second.
  REQUIRE(order.size() == 2);
  REQUIRE(order.front() == 1);
  if (suspended) {
    for (std::int64_t ms = 20'000; ms < 22'000 && order.size() < 3; ms += 100) {
      s.advance(at(ms));
      if (auto pick = s.next(Pool::smtp, at(ms))) order.push_back(pick->job.id.value);
    }
    REQUIRE(order == std::vector<std::uint64_t>{1, 2, 3});
  }
  REQUIRE_FALSE(s.is_catching_up(d));  // nothing is left
}

TEST_CASE("what passes its milestone behind a breaker is handed back") {
  Scheduler s = make_scheduler();
  DestinationId d = s.destination("mx:a", {});
  for (std::uint64_t i = 1; i <= 10; ++i) {
    Job j = job(i);
    j.milestone = at(i <= 8 ? 5000 : 500'000);
    give(s, d, std::move(j), at(0));
  }
  while (s.next(Pool::smtp, at(0))) {
  }
  for (int i = 0; i < 5; ++i) end_one(s, d, AttemptEnd::unreachable, at(10));
  REQUIRE(s.take_milestones_due().empty());
  REQUIRE(s.wake_at() == at(5000));
  s.advance(at(5000));
  auto passed = s.take_milestones_due();
  REQUIRE(passed.size() == 3);
  REQUIRE(s.queued_jobs() == 2);
}

TEST_CASE("withdrawn jobs are gone, others stay in order") {
  Scheduler s = make_scheduler();
  DestinationId d = s.destination("mx:a", {});
  for (std::uint64_t i = 1; i <= 4; ++i) give(s, d, job(i), at(0));
  s.withdraw(d, mail::QueueId{2}, at(0));
  std::vector<std::uint64_t> order;
  while (auto pick = s.next(Pool::smtp, at(0))) order.push_back(pick->job.id.value);
  REQUIRE(order == std::vector<std::uint64_t>{1, 3, 4});
}

TEST_CASE("idle destinations are forgotten") {
  Scheduler s = make_scheduler();
  for (std::uint64_t i = 0; i < 1000; ++i) {
    DestinationId d = s.destination("mx:d" + std::to_string(i), {});
    give(s, d, job(i + 1), at(0));
  }
  while (auto pick = s.next(Pool::smtp, at(0))) {
    s.finished(*pick, AttemptEnd::reached, at(1));
    s.unpin(pick->destination, 1, at(1));
  }
  REQUIRE(s.destinations() == 1000);
  for (std::int64_t ms = 0; ms < 700'000; ms += 10'000) s.advance(at(ms));
  REQUIRE(s.destinations() == 0);
  REQUIRE_FALSE(s.wake_at().has_value());
}

namespace {

// A pretended store and pretended agents around the real scheduler.
class Simulation {
 public:
  explicit Simulation(std::uint64_t seed, std::size_t destinations)
      : random_(seed), scheduler_(limits(), seed) {
    scheduler_.configure({60s, 5min, 15min}, {10s, 30s});
    for (std::size_t i = 0; i < destinations; ++i) {
      World w;
      w.key = (i % 3 == 0 ? "lmtp:s" : "mx:d") + std::to_string(i);
      w.settings.pool = i % 3 == 0 ? Pool::lmtp : Pool::smtp;
      w.settings.mailbox_schedule = i % 3 == 0;
      worlds_.push_back(w);
    }
  }

  void run(std::size_t events) {
    std::uint64_t next_id = 1;
    for (std::size_t e = 0; e < events; ++e) {
      // Mail arrives, time passes, destinations go down and come back, attempts end.
      if (e < events / 2) arrive(next_id++);
      if (chance(50)) now_ += Duration(roll(2000));
      if (chance(200)) worlds_[roll(worlds_.size())].down ^= true;
      turn();
      while (!running_.empty() && (running_.size() > 60 || chance(2)))
        finish(roll(running_.size()));
    }
    for (World& w : worlds_) w.down = false;
    std::size_t turns = 0;
    while (!open_.empty()) {
      REQUIRE(++turns < 2'000'000);
      turn();
      if (!running_.empty()) {
        finish(roll(running_.size()));
        continue;
      }
      auto wake = scheduler_.wake_at();
      REQUIRE(wake.has_value());  // work, and nothing that would ever wake it
      now_ = std::max(now_ + 1ms, *wake);
    }
    REQUIRE(done_ == offered_);
  }
  std::size_t done() const { return done_; }

 private:
  struct World {
    std::string key;
    DestinationSettings settings;
    bool down = false;
    std::multimap<WallTime, std::pair<std::uint64_t, std::uint32_t>> rows;
    std::uint32_t running = 0;
  };
  struct Known {
    std::size_t world;
    bool in_memory = false;
    bool leased = false;
    WallTime due{};
    TrafficClass traffic_class;
  };
  using Recipient = std::pair<std::uint64_t, std::uint32_t>;

  static SchedulerLimits limits() {
    SchedulerLimits l;
    l.destination_recipients = 40;
    l.refill_recipients = 20;
    l.total_recipients = 600;
    return l;
  }
  std::size_t roll(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_);
  }
  bool chance(std::size_t n) { return roll(n) == 0; }

  void arrive(std::uint64_t id) {
    std::size_t recipients = chance(50) ? 60 : 1 + roll(3);
    TrafficClass c = recipients > kBulkRecipients ? TrafficClass::bulk
                     : chance(10)                 ? TrafficClass::bounce
                                                  : TrafficClass::interactive;
    std::size_t w = roll(worlds_.size());
    DestinationId d = scheduler_.destination(worlds_[w].key, worlds_[w].settings);
    Job j{mail::QueueId{id}, c, now_ + 5 * 24h, {}};
    for (std::uint32_t i = 0; i < recipients; ++i) {
      j.recipients.push_back(i);
      open_[{id, i}] = Known{w, false, false, now_, c};
      worlds_[w].rows.insert({now_, {id, i}});
      ++offered_;
    }
    offer(d, std::move(j));
  }

  void offer(DestinationId d, Job j, Scheduler::Source source = Scheduler::Source::accepted) {
    auto recipients = j.recipients;
    std::uint64_t id = j.id.value;
    auto count = static_cast<std::uint32_t>(recipients.size());
    scheduler_.pin(d, count);
    if (scheduler_.offer(d, j, source, now_)) {
      for (std::uint32_t i : recipients) {
        Known& k = open_.at({id, i});
        REQUIRE_FALSE(k.in_memory);
        k.in_memory = true;
      }
      return;
    }
    scheduler_.due_at(d, now_, now_);
    scheduler_.unpin(d, count, now_);
  }

  void turn() {
    scheduler_.advance(now_);
    for (Refill& r : scheduler_.take_refills()) refill(r);
    REQUIRE(scheduler_.take_milestones_due().empty());
    for (Pool pool : {Pool::smtp, Pool::lmtp})
      while (running_.size() < 80) {
        auto pick = scheduler_.next(pool, now_);
        if (!pick) break;
        World& w = worlds_[open_.at({pick->job.id.value, pick->job.recipients[0]}).world];
        REQUIRE(w.settings.pool == pool);
        REQUIRE(++w.running <= kWindowMax);
        REQUIRE(w.running == scheduler_.running(pick->destination));
        for (std::uint32_t i : pick->job.recipients) {
          Known& k = open_.at({pick->job.id.value, i});
          REQUIRE(k.in_memory);
          REQUIRE_FALSE(k.leased);
          k.leased = true;
        }
        running_.push_back(*std::move(pick));
      }
    REQUIRE(scheduler_.queued_recipients() <= limits().total_recipients + 120);
  }

  void refill(const Refill& r) {
    std::size_t w = 0;
    while (worlds_[w].key != r.key) ++w;
    std::map<std::uint64_t, Job> jobs;
    std::size_t read = 0;
    std::optional<WallTime> next_due;
    for (auto& [due, who] : worlds_[w].rows) {
      if (due > now_ || read == r.limit) {
        next_due = due;
        break;
      }
      Known& k = open_.at(who);
      if (k.in_memory) continue;
      ++read;
      Job& j = jobs[who.first];
      j.id = mail::QueueId{who.first};
      j.traffic_class = k.traffic_class;
      j.milestone = now_ + 5 * 24h;
      j.recipients.push_back(who.second);
    }
    for (auto& [id, j] : jobs) offer(r.destination, std::move(j), Scheduler::Source::store);
    scheduler_.refilled(r.destination, next_due, {}, now_);
  }

  void finish(std::size_t which) {
    Pick pick = std::move(running_[which]);
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(which));
    World& w = worlds_[open_.at({pick.job.id.value, pick.job.recipients[0]}).world];
    --w.running;
    AttemptEnd end = w.down        ? AttemptEnd::unreachable
                     : chance(100) ? AttemptEnd::undecided
                                   : AttemptEnd::reached;
    scheduler_.finished(pick, end, now_);
    for (std::uint32_t i : pick.job.recipients) {
      Recipient who{pick.job.id.value, i};
      Known& k = open_.at(who);
      REQUIRE(k.leased);
      auto [from, to] = w.rows.equal_range(k.due);
      for (auto row = from; row != to; ++row)
        if (row->second == who) {
          w.rows.erase(row);
          break;
        }
      if (end == AttemptEnd::reached && !chance(10)) {
        open_.erase(who);
        ++done_;
      } else {
        k.leased = k.in_memory = false;
        k.due = now_ + 1s + Duration(roll(100'000));
        w.rows.insert({k.due, who});
        scheduler_.due_at(pick.destination, k.due, now_);
      }
    }
    scheduler_.unpin(pick.destination, static_cast<std::uint32_t>(pick.job.recipients.size()),
                     now_);
  }

  std::mt19937_64 random_;
  Scheduler scheduler_;
  WallTime now_ = at(0);
  std::vector<World> worlds_;
  std::map<Recipient, Known> open_;
  std::vector<Pick> running_;
  std::size_t offered_ = 0;
  std::size_t done_ = 0;
};

}  // namespace

TEST_CASE("simulation: nobody is lost, nobody is sent twice, windows hold") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    INFO("seed " << seed);
    Simulation simulation(seed, 3 + 12 * seed);
    simulation.run(40'000);
    REQUIRE(simulation.done() > 40'000);
  }
}
