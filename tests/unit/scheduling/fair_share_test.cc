// The scheduler with very many destinations, some of them out of reach or slow.
#include <map>

#include <catch2/catch.hpp>

#include "tests/unit/scheduling/scheduler_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using test::at;
using test::end_one;
using test::give;
using test::job;
using test::make_scheduler;

TEST_CASE("however many destinations are dead, the others go on, and new ones get their turn") {
  constexpr std::size_t kCapacity = 400;
  constexpr std::size_t kDead = 1000;
  Scheduler s = make_scheduler();
  s.set_capacity(Pool::smtp, kCapacity);
  std::uint64_t id = 1;
  DestinationId known = s.destination("mx:known", {});
  REQUIRE(give(s, known, job(id++), at(0)));
  REQUIRE(s.next(Pool::smtp, at(0)).has_value());
  end_one(s, known, AttemptEnd::reached, at(1));
  REQUIRE(s.health(known).is_proven());

  std::map<DestinationId, std::size_t> running;
  for (std::size_t i = 0; i < kDead; ++i) {
    DestinationId d = s.destination("mx:dead" + std::to_string(i), {});
    for (int n = 0; n < 8; ++n) give(s, d, job(id++), at(2));
  }
  std::vector<Pick> hanging;
  while (auto pick = s.next(Pool::smtp, at(2))) {
    ++running[pick->destination];
    hanging.push_back(*std::move(pick));
  }
  CHECK(hanging.size() == kCapacity / 2);
  for (const auto& [d, count] : running) CHECK(count <= 5);
  // The first ones had a window of five; as soon as there were many, each got one.
  CHECK(running.size() > kCapacity / 4);

  // Mail for one that is known does not wait, and one that is new does so only for its turn.
  for (int n = 0; n < 3; ++n) give(s, known, job(id++), at(3));
  for (int n = 0; n < 3; ++n) {
    auto pick = s.next(Pool::smtp, at(3));
    REQUIRE(pick.has_value());
    CHECK(pick->destination == known);
    s.finished(*pick, AttemptEnd::reached, at(4));
  }
  DestinationId fresh = s.destination("mx:new", {});
  REQUIRE(give(s, fresh, job(id++), at(5)));
  bool came = false;
  for (int round = 0; round < 20 && !came; ++round) {
    // All that hang time out; those who wait in line have their turn.
    WallTime now = at(std::int64_t{30'000} * (round + 1));
    std::vector<Pick> over = std::exchange(hanging, {});
    for (const Pick& pick : over) s.finished(pick, AttemptEnd::unreachable, now);
    s.advance(now);
    while (auto pick = s.next(Pool::smtp, now)) {
      came = came || pick->destination == fresh;
      if (pick->destination == fresh)
        s.finished(*pick, AttemptEnd::reached, now);
      else
        hanging.push_back(*std::move(pick));
    }
    CHECK(hanging.size() <= kCapacity / 2);
  }
  CHECK(came);
  CHECK(s.health(fresh).is_proven());
}

TEST_CASE("who cannot be reached does not fill the memory") {
  Scheduler s = make_scheduler();
  std::uint64_t id = 1;
  std::size_t taken = 0;
  for (std::size_t i = 0; i < 2000; ++i) {
    DestinationId d = s.destination("mx:dead" + std::to_string(i), {});
    for (int n = 0; n < 20; ++n) taken += give(s, d, job(id++), at(0)) ? 1 : 0;
  }
  CHECK(taken >= kFairShareJobs);
  CHECK(taken <= kFairShareJobs + std::size_t{2000} * kUnreachedRoom);
}

TEST_CASE("who stands in line goes on when the agents come back") {
  Scheduler s = make_scheduler();
  s.set_capacity(Pool::smtp, 400);
  std::uint64_t id = 1;
  for (std::size_t i = 0; i < 300; ++i)
    give(s, s.destination("mx:new" + std::to_string(i), {}), job(id++), at(0));
  std::vector<Pick> running;
  while (auto pick = s.next(Pool::smtp, at(0))) running.push_back(*std::move(pick));
  REQUIRE(running.size() == 200);
  s.set_capacity(Pool::smtp, 0);  // all agents are gone, and with them what they had
  for (const Pick& pick : running) s.finished(pick, AttemptEnd::undecided, at(1));
  s.set_capacity(Pool::smtp, 400);
  s.advance(at(2));
  std::size_t more = 0;
  while (s.next(Pool::smtp, at(2))) ++more;
  CHECK(more == 100);
}

TEST_CASE("one slow or suspended destination leaves places in memory to the others") {
  Scheduler s = make_scheduler();
  std::uint64_t id = 1;
  std::vector<DestinationId> reached;
  for (const char* name : {"mx:slow", "mx:slow2", "mx:third"}) {
    reached.push_back(s.destination(name, {}));
    REQUIRE(give(s, reached.back(), job(id++), at(0)));
    REQUIRE(s.next(Pool::smtp, at(0)).has_value());
    end_one(s, reached.back(), AttemptEnd::reached, at(0));
  }
  auto fill = [&](DestinationId d) {
    std::size_t taken = 0;
    for (int n = 0; n < 20'000; ++n) taken += give(s, d, job(id++), at(0)) ? 1 : 0;
    return taken;
  };
  std::size_t total = SchedulerLimits{}.total_jobs;
  CHECK(fill(reached[0]) <= total / 2);
  CHECK(fill(reached[1]) <= total / 4);
  CHECK(fill(reached[2]) > 1000);

  DestinationId closed = s.destination("mx:suspended", {});
  s.suspend(closed, WallTime::max(), at(0));
  std::size_t taken = 0;
  for (int n = 0; n < 1000; ++n) taken += give(s, closed, job(id++), at(0)) ? 1 : 0;
  CHECK(taken <= kUnreachedRoom);
}

TEST_CASE("jobs that move are those of destinations that take mail at the moment") {
  Scheduler s = make_scheduler();
  std::uint64_t id = 1;
  DestinationId d = s.destination("mx:one", {});
  for (int n = 0; n < 30; ++n) REQUIRE(give(s, d, job(id++), at(0)));
  CHECK(s.moving_jobs() == 0);
  auto first = s.next(Pool::smtp, at(0));
  auto second = s.next(Pool::smtp, at(0));
  REQUIRE((first && second));
  CHECK(s.moving_jobs() == 0);  // nobody knows yet
  s.finished(*first, AttemptEnd::reached, at(1));
  CHECK(s.moving_jobs() == 28);
  s.suspend(d, at(1000), at(2));
  CHECK(s.moving_jobs() == 0);
  s.resume(d, at(3));
  CHECK(s.moving_jobs() == 28);
  std::vector<Pick> running{*second};
  while (auto pick = s.next(Pool::smtp, at(4))) running.push_back(*pick);
  CHECK(s.moving_jobs() == s.queued_jobs());
  for (const Pick& pick : running) s.finished(pick, AttemptEnd::unreachable, at(5));
  CHECK(s.moving_jobs() == 0);
  CHECK(s.queued_jobs() > 0);
}
