// Rates of destinations that several nodes share: the scheduler asks for a step last of all, takes
// one for each lease, and forgets nobody who waits for one.
#include <algorithm>
#include <map>
#include <random>
#include <set>

#include <catch2/catch.hpp>

#include "tests/unit/scheduling/scheduler_support.h"
#include "tests/unit/scheduling/shared_rates_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using test::at;
using test::end_one;
using test::FakeRates;
using test::give;
using test::job;
using test::make_scheduler;

namespace {

DestinationSettings rated(std::uint32_t count, Duration period) {
  DestinationSettings settings;
  settings.rate_count = count;
  settings.rate_period = period;
  return settings;
}

// A scheduler and what it asks, in one time.
struct Node {
  Node() { s.rates().share(&rates); }
  // The scheduler is told of an answer when it comes.
  std::optional<Pick> next(std::int64_t ms) {
    if (rates.advance(ms)) s.rates().changed();
    s.advance(at(ms));
    return s.next(Pool::smtp, at(ms));
  }
  std::vector<std::string> keys_asked() const {
    std::vector<std::string> out;
    for (const FakeRates::Asked& one : rates.asked) out.push_back(one.key);
    return out;
  }
  FakeRates rates;
  Scheduler s = make_scheduler();
};

using Keys = std::vector<std::string>;

}  // namespace

TEST_CASE("a shared rate: a step is asked for once, and each lease takes one") {
  Node node;
  DestinationId d = node.s.destination("mx:a", rated(10, 10s));
  for (std::uint64_t i = 1; i <= 3; ++i) REQUIRE(give(node.s, d, job(i), at(0)));
  CHECK_FALSE(node.next(0));
  CHECK(node.keys_asked() == Keys{"rate:mx:a"});
  CHECK(node.rates.asked[0].rate.steps == 10);
  CHECK(node.rates.asked[0].rate.per == 10s);
  CHECK(node.rates.asked[0].burst == 1s);
  // Neither time nor more to send makes it ask again before there is an answer.
  REQUIRE(give(node.s, d, job(4), at(10)));
  CHECK_FALSE(node.next(19));
  CHECK(node.rates.asked.size() == 1);
  CHECK(node.next(20));
  CHECK(node.rates.taken == Keys{"rate:mx:a"});
  // The table has the burst's second step, too; after that it is one a second.
  CHECK_FALSE(node.next(20));
  CHECK(node.next(40));
  CHECK_FALSE(node.next(40));
  CHECK_FALSE(node.next(60));
  REQUIRE(node.s.wake_at() == at(1020));
  std::size_t asked = node.rates.asked.size();
  for (std::int64_t ms = 61; ms < 1020; ++ms) REQUIRE_FALSE(node.next(ms));
  CHECK(node.rates.asked.size() == asked);
  CHECK(node.next(1020));
  CHECK(node.rates.taken.size() == 3);
  CHECK(node.rates.without_step == 0);
}

TEST_CASE("a shared rate: what other nodes take, this one waits for") {
  Node node;
  DestinationId d = node.s.destination("mx:a", rated(10, 10s));
  node.rates.take_elsewhere("rate:mx:a", 5000);
  REQUIRE(give(node.s, d, job(1), at(0)));
  CHECK_FALSE(node.next(0));
  CHECK_FALSE(node.next(20));
  CHECK(node.s.wake_at() == at(5000));
  CHECK_FALSE(node.next(4999));
  CHECK(node.next(5000));
}

TEST_CASE("a shared rate: no step is asked for that could not be used") {
  Node node;
  auto nothing_asked = [&](std::int64_t ms) { return !node.next(ms) && node.rates.asked.empty(); };
  DestinationSettings settings = rated(10, 10s);
  settings.route = 1;
  settings.route_connections = 1;
  DestinationId d = node.s.destination("mx:a", settings);
  CHECK(nothing_asked(0));  // nothing to send
  SECTION("suspended") {
    node.s.suspend(d, at(1000), at(0));
    give(node.s, d, job(1), at(0));
    CHECK(nothing_asked(999));
    CHECK_FALSE(node.next(1000));
  }
  SECTION("behind a breaker") {
    node.s.restore_breaker(d, {"mx:a", 1, at(0), at(1000), ""}, at(0));
    give(node.s, d, job(1), at(0));
    CHECK(nothing_asked(999));
    CHECK_FALSE(node.next(1000));
  }
  SECTION("before the trial is granted") {
    node.s.ask_for_trials();
    node.s.restore_breaker(d, {"mx:a", 1, at(0), at(500), ""}, at(0));
    give(node.s, d, job(1), at(0));
    CHECK(nothing_asked(999));
    REQUIRE(node.s.take_trials_wanted().size() == 1);
    node.s.grant_trial({"mx:a", false}, at(1000));
    CHECK_FALSE(node.next(1000));
  }
  SECTION("no place on the route") {
    settings.rate_count = 0;
    DestinationId other = node.s.destination("mx:b", settings);
    give(node.s, other, job(9), at(0));
    std::optional<Pick> running = node.next(0);
    REQUIRE(running);
    give(node.s, d, job(1), at(0));
    CHECK(nothing_asked(999));
    node.s.finished(*running, AttemptEnd::reached, at(1000));
    CHECK_FALSE(node.next(1000));
  }
  SECTION("no agent has room") {
    give(node.s, d, job(1), at(0));
    node.s.advance(at(999));
    CHECK(node.rates.asked.empty());
    CHECK_FALSE(node.next(1000));
  }
  CHECK(node.rates.asked.size() == 1);
  CHECK(node.next(1020));
}

TEST_CASE("a destination without a rate never asks for a step") {
  Node node;
  DestinationId d = node.s.destination("mx:a", {});
  node.s.associate(d, "mx1.a", at(0));
  give(node.s, d, job(1), at(0));
  CHECK(node.next(0));
  CHECK(node.rates.asked.empty());
  CHECK(node.rates.taken.empty());
}

TEST_CASE("a shared rate: nobody is forgotten whom nobody tells of an answer") {
  Node node;
  DestinationId d = node.s.destination("mx:a", rated(10, 10s));
  give(node.s, d, job(1), at(0));
  CHECK_FALSE(node.next(0));
  node.rates.advance(20);
  REQUIRE(node.s.wake_at() == at(0) + kUnknownStepMax);
  node.s.advance(*node.s.wake_at());
  // Its step is lost by now, so it is asked for once more.
  std::int64_t later = kUnknownStepMax.count();
  CHECK_FALSE(node.next(later));
  CHECK(node.next(later + 20));
}

TEST_CASE("alone, then with others, then alone again: the pace is kept") {
  Node node;
  node.rates.shared = false;
  DestinationId d = node.s.destination("mx:a", rated(10, 10s));
  for (std::uint64_t i = 1; i <= 20; ++i) give(node.s, d, job(i), at(0));
  auto send = [&](std::int64_t ms) {
    std::size_t sent = 0;
    while (node.next(ms)) {
      ++sent;
      end_one(node.s, d, AttemptEnd::reached, at(ms));
    }
    return sent;
  };
  CHECK(send(0) == 2);
  CHECK(node.rates.asked.empty());
  // What it has sent alone bars it still, whatever there is in the table.
  node.rates.shared = true;
  CHECK(send(500) == 0);
  CHECK(send(999) == 0);
  CHECK(node.rates.asked.empty());
  CHECK(send(1000) == 0);
  CHECK(send(1020) == 1);
  CHECK(node.rates.taken.size() == 1);
  // What it has sent with others counts when it is alone again, and it does not wait for the table.
  CHECK(send(1020) == 0);
  node.rates.shared = false;
  CHECK(send(1021) == 0);
  CHECK(send(1999) == 0);
  CHECK(send(2000) == 1);
  CHECK(node.rates.taken.size() == 1);
}

TEST_CASE("a node that is alone again does not wait for a step that was far ahead") {
  Node node;
  DestinationId d = node.s.destination("mx:a", rated(10, 10s));
  node.rates.take_elsewhere("rate:mx:a", 500'000);
  give(node.s, d, job(1), at(0));
  CHECK_FALSE(node.next(0));
  CHECK_FALSE(node.next(20));
  node.rates.shared = false;
  CHECK(node.next(30));
}

TEST_CASE("a shared rate: members of an MX set have one sequence, at the rate of the slowest") {
  Node node;
  DestinationId slow = node.s.destination("mx:b", rated(2, 10s));
  DestinationId fast = node.s.destination("mx:a", rated(100, 10s));
  for (DestinationId d : {fast, slow}) node.s.associate(d, "mx1.a,mx2.a", at(0));
  for (std::uint64_t i = 1; i <= 3; ++i) give(node.s, fast, job(i), at(0));
  CHECK_FALSE(node.next(0));
  CHECK(node.keys_asked() == Keys{"set:mx1.a,mx2.a"});
  CHECK(node.rates.asked.back().rate.steps == 100);
  CHECK(node.next(20));
  // Mail for the slow one: both go at its rate until that is sent.
  give(node.s, slow, job(9), at(30));
  CHECK_FALSE(node.next(30));
  CHECK(node.rates.asked.back().rate.steps == 2);
  std::optional<Pick> pick = node.next(50);
  REQUIRE(pick);
  CHECK(pick->destination == slow);
  // Its step counts for the others, too: the next one is five seconds later. From then on they go
  // at their own rate.
  std::vector<std::int64_t> sent;
  for (std::int64_t ms = 60; ms < 6000; ms += 10)
    if (node.next(ms)) sent.push_back(ms);
  REQUIRE(sent.size() == 2);
  CHECK(sent[0] == 4120);
  CHECK(sent[1] == 4220);
  CHECK(node.rates.asked.back().rate.steps == 100);
  for (const std::string& key : node.rates.taken) CHECK(key == "set:mx1.a,mx2.a");
  CHECK(node.rates.without_step == 0);
}

TEST_CASE("a shared rate: who waits is told when the rate of his MX set is another") {
  Node node;
  DestinationId fast = node.s.destination("mx:a", rated(100, 10s));
  DestinationId slow = node.s.destination("mx:b", rated(1, 24h));
  for (DestinationId d : {fast, slow}) node.s.associate(d, "mx1.a", at(0));
  node.rates.take_elsewhere("set:mx1.a", 1000);
  give(node.s, slow, job(9), at(0));
  give(node.s, fast, job(1), at(0));
  CHECK_FALSE(node.next(0));
  CHECK_FALSE(node.next(20));
  CHECK(node.s.wake_at() == at(1000));
  node.s.withdraw(slow, job(9).id, at(100));
  CHECK(node.s.wake_at() == at(100));
  CHECK_FALSE(node.next(100));
  CHECK(node.rates.asked.back().rate.steps == 100);
}

TEST_CASE("a shared rate: hosts that are learned while a step is awaited") {
  Node node;
  DestinationId d = node.s.destination("mx:a", rated(10, 10s));
  for (std::uint64_t i = 1; i <= 3; ++i) give(node.s, d, job(i), at(0));
  CHECK_FALSE(node.next(0));
  std::string hosts(4000, 'm');
  node.s.associate(d, hosts, at(5));
  CHECK_FALSE(node.next(5));
  REQUIRE(node.rates.asked.size() == 2);
  const std::string key = node.rates.asked.back().key;
  CHECK(key.size() == kRateKeyMax);
  CHECK(key.substr(0, 10) == "set:mmmmmm");
  CHECK(node.next(25));
  CHECK(node.rates.taken == Keys{key});
  DestinationId other = node.s.destination("mx:b", rated(10, 10s));
  node.s.associate(other, hosts + "n", at(30));
  give(node.s, other, job(9), at(30));
  CHECK_FALSE(node.next(30));
  CHECK(node.rates.asked.back().key != key);
}

namespace {

// Jobs for some destinations, whose rates, hosts and neighbours change while they wait.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : random_(seed) {
    node_.rates.loses = [this] { return roll(10) == 0; };
    for (int i = 0; i < 6; ++i) {
      keys_.push_back("mx:d" + std::to_string(i));
      DestinationSettings its = settings();
      rated_.push_back(its.rate_count > 0);
      ids_.push_back(node_.s.destination(keys_.back(), its));
    }
  }
  void run() {
    std::int64_t now = 0;
    for (std::size_t steps = 0; done_ < kJobs; ++steps) {
      INFO("at " << now << " done " << done_ << " of " << kJobs);
      REQUIRE(steps < 200'000);  // else somebody looks again and again
      REQUIRE(now < std::int64_t{6} * 3'600'000);
      if (now < kArrivals) happen(now);
      end_attempts(now);
      look(now);
      now = std::max(now + 1, next_event(now));
    }
    REQUIRE(node_.rates.without_step == 0);
  }

 private:
  static constexpr std::uint64_t kJobs = 150;
  static constexpr std::int64_t kArrivals = 60'000;

  std::uint64_t roll(std::uint64_t n) { return random_() % n; }
  DestinationSettings settings() {
    static const std::pair<std::uint32_t, Duration> all[] = {
        {0, 0s}, {10, 10s}, {60, 60s}, {5, 1s}, {100, 1s}, {2, 10s}, {1, 20s}};
    auto [count, period] = all[roll(std::size(all))];
    DestinationSettings out = rated(count, period);
    if (count > 0 && roll(3) == 0) {
      out.drain_count = 1 + static_cast<std::uint32_t>(roll(3));
      out.drain_period = 5s;
    }
    return out;
  }
  std::string hosts() { return roll(4) == 0 ? std::string() : "mx" + std::to_string(roll(2)); }

  void happen(std::int64_t now) {
    while (last_ < kJobs && static_cast<std::int64_t>(last_) * kArrivals <
                                (now + 1) * static_cast<std::int64_t>(kJobs))
      arrive(now);
    std::size_t which = roll(ids_.size());
    switch (roll(20)) {
      case 0:
        node_.rates.shared = !node_.rates.shared;
        break;
      case 1:
        reload(which, now);
        break;
      case 2:
        node_.s.associate(ids_[which], hosts(), at(now));
        break;
      case 3:
        node_.s.suspend(ids_[which], at(now + 3000), at(now));
        break;
      default:
        break;
    }
  }
  void arrive(std::int64_t now) {
    std::size_t which = roll(ids_.size());
    Job one = job(++last_);
    one.milestone = WallTime::max();
    where_[last_] = which;
    REQUIRE(give(node_.s, ids_[which], one, at(now)));
  }
  // As the queue does it: what waits is taken out and offered again.
  void reload(std::size_t which, std::int64_t now) {
    std::vector<Job> out;
    for (auto& [id, destination] : where_)
      if (destination == which && running_.count(id) == 0) out.push_back(job(id));
    for (const Job& one : out) node_.s.withdraw(ids_[which], one.id, at(now));
    DestinationSettings its = settings();
    rated_[which] = its.rate_count > 0;
    REQUIRE(node_.s.destination(keys_[which], its) == ids_[which]);
    for (Job& one : out) offer(which, one, now);
  }
  void offer(std::size_t which, Job& one, std::int64_t now) {
    one.milestone = WallTime::max();
    REQUIRE(node_.s.offer(ids_[which], one, Scheduler::Source::store, at(now)));
  }
  void look(std::int64_t now) {
    // Sometimes nobody tells of an answer.
    if (node_.rates.advance(now) && roll(10) > 0) node_.s.rates().changed();
    node_.s.advance(at(now));
    for (;;) {
      std::size_t taken = node_.rates.taken.size();
      std::optional<Pick> pick = node_.s.next(Pool::smtp, at(now));
      if (!pick) return;
      std::uint64_t id = pick->job.id.value;
      bool is_rated = rated_.at(where_.at(id));
      REQUIRE(node_.rates.taken.size() - taken == (is_rated && node_.rates.shared ? 1 : 0));
      REQUIRE(
          running_.try_emplace(id, *pick, now + 1 + static_cast<std::int64_t>(roll(500))).second);
    }
  }
  void end_attempts(std::int64_t now) {
    for (auto one = running_.begin(); one != running_.end();) {
      if (one->second.second > now) {
        ++one;
        continue;
      }
      Pick pick = one->second.first;
      one = running_.erase(one);
      bool fails = roll(8) == 0;
      node_.s.finished(pick, fails ? AttemptEnd::unreachable : AttemptEnd::reached, at(now));
      if (fails) {
        offer(where_.at(pick.job.id.value), pick.job, now);
        continue;
      }
      node_.s.unpin(pick.destination, 1, at(now));
      where_.erase(pick.job.id.value);
      ++done_;
    }
  }
  std::int64_t next_event(std::int64_t now) {
    std::int64_t next =
        now < kArrivals ? now + 1 + static_cast<std::int64_t>(roll(200)) : INT64_MAX;
    for (const auto& [id, one] : running_) next = std::min(next, one.second);
    if (auto answer = node_.rates.next_answer()) next = std::min(next, *answer);
    if (auto wake = node_.s.wake_at())
      next = std::min<std::int64_t>(next, (*wake - at(0)) / Duration(1));
    INFO("nobody is to be woken, and jobs wait");
    REQUIRE(next != INT64_MAX);
    return next;
  }

  std::mt19937_64 random_;
  Node node_;
  std::vector<std::string> keys_;
  std::vector<DestinationId> ids_;
  std::vector<bool> rated_;                     // drain rates stand beside others only
  std::map<std::uint64_t, std::size_t> where_;  // jobs that are not done, and their destination
  std::map<std::uint64_t, std::pair<Pick, std::int64_t>> running_;
  std::uint64_t last_ = 0;
  std::uint64_t done_ = 0;
};

}  // namespace

TEST_CASE("property: with shared rates every job goes at last, and none without a step") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    Chance(seed).run();
  }
}

// Both wake for the same lease. The one with the lower number had 30 of 31 of them.
TEST_CASE("a rate: members of an MX set take turns") {
  const bool is_shared = GENERATE(false, true);
  Node node;
  node.rates.shared = is_shared;
  DestinationId ids[] = {node.s.destination("mx:a", rated(10, 10s)),
                         node.s.destination("mx:b", rated(10, 10s))};
  std::uint64_t number = 0;
  for (DestinationId id : ids) {
    node.s.associate(id, "host.test", at(0));
    for (int i = 0; i < 40; ++i) REQUIRE(give(node.s, id, job(++number), at(0)));
  }
  std::map<DestinationId, int> leases;
  for (std::int64_t ms = 0; ms < 30'000; ms += 10)
    while (std::optional<Pick> pick = node.next(ms)) {
      ++leases[pick->destination];
      node.s.finished(*pick, AttemptEnd::reached, at(ms));
    }
  CHECK(leases[ids[0]] + leases[ids[1]] >= 29);
  CHECK(std::abs(leases[ids[0]] - leases[ids[1]]) <= 2);
}
