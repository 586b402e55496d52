// What of a message's age counts, whatever clock and machine do.
#include <catch2/catch.hpp>

#include "qmgr/verdicts/observed_time.h"
#include "qmgr/verdicts/retry_policy.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using test::at;

namespace {

MonoTime mono(Duration since) {
  return MonoTime(since);
}

}  // namespace

TEST_CASE("time without a look at the clock does not count for messages of before") {
  ObservedTime time;
  auto start = time.start(at(0), at(0) + 30h, mono(0s));
  REQUIRE(start.gap);
  REQUIRE(start.set_back == 0s);
  CHECK(time.unobserved_since(at(-1000)) == 30h);
  CHECK(time.unobserved_since(at(0) + 1min) == 30h);  // after the last heartbeat
  CHECK(time.unobserved_since(at(0) + 30h) == 0h);    // came in afterwards
}

TEST_CASE("starting again soon, or for the first time, leaves no gap") {
  ObservedTime time;
  CHECK_FALSE(time.start(WallTime{}, at(0), mono(0s)).gap);
  CHECK_FALSE(time.start(at(0), at(0) + 4min, mono(0s)).gap);
  CHECK(time.gaps().empty());
}

TEST_CASE("a clock set forward under a running program is a gap, one set back is none") {
  struct {
    const char* name;
    Duration wall, passed;
    bool jumped, gap;
  } rows[] = {
      {"nothing", 2s, 2s, false, false},
      {"slewed", 3s, 2s, false, false},
      {"a leap of a minute", 62s, 2s, false, false},
      {"an hour forward", 1h + 2s, 2s, true, true},
      {"thirty days forward", 720h + 2s, 2s, true, true},
      {"an hour back", -1h + 2s, 2s, true, false},
      {"a long pause of the loop", 20min, 20min, false, false},
  };
  for (const auto& row : rows) {
    INFO(row.name);
    ObservedTime time;
    (void)time.start(at(0), at(0), mono(0s));
    auto look = time.look(at(0) + row.wall, mono(row.passed));
    CHECK(look.jumped == row.jumped);
    CHECK(look.gap.has_value() == row.gap);
    if (row.gap) {
      CHECK(time.unobserved_since(at(0)) == row.wall - row.passed);
      CHECK(time.unobserved_since(at(0) + row.wall) == 0h);
    }
    CHECK_FALSE(time.look(at(0) + row.wall + 2s, mono(row.passed + 2s)).jumped);
  }
}

TEST_CASE("a clock that shows less than at the last look was set back") {
  ObservedTime time;
  CHECK(time.start(at(0), at(-5000), mono(0s)).set_back == 5s);
}

TEST_CASE("gaps are bounded, and merging them never makes a message older") {
  ObservedTime time;
  WallTime now = at(0);
  (void)time.start(now, now, mono(0s));
  Duration passed{};
  Duration sum{};
  for (int i = 0; i < 200; ++i) {
    now += 1h + 1s;
    passed += 1s;
    (void)time.look(now, mono(passed));
    sum += 1h;
    CHECK(time.gaps().size() <= kClockGapsMax);
    CHECK(time.unobserved_since(at(0)) == sum);
  }
}

// Sums of such lengths went round, so that mail expired at its first temporary failure.
TEST_CASE("gaps that nobody can have seen expire nothing, and keep nothing that comes later") {
  constexpr std::int64_t kLast = INT64_MAX;
  constexpr std::int64_t kFirst = INT64_MIN;
  const WallTime now = at(0);
  ObservedTime time({{from_unix_ms(kFirst), Duration(kLast)},
                     {from_unix_ms(-1), 1h},
                     {from_unix_ms(0), 0h},
                     {now - 2h, Duration(kFirst)},
                     {now - 1h, Duration(kLast)},
                     {now - 1h, Duration(kLast)},
                     {now + 1min, 1h},
                     {from_unix_ms(kLast), Duration(kLast)}});
  for (std::int64_t last_seen : {kLast, kFirst, std::int64_t{-1}}) {
    ObservedTime::Start start = time.start(from_unix_ms(last_seen), now, mono(0s));
    CHECK_FALSE(start.gap);
    CHECK(start.set_back >= 0s);
    CHECK(start.set_back <= kSetBackMost);
  }
  CHECK(time.gaps().size() == 2);
  CHECK(time.unobserved_since(now - 30min) == 0h);
  const Duration before = time.unobserved_since(now - 3h);
  CHECK(before > 0h);
  const Lifetimes limits = extended({120h, 4h}, before);
  CHECK_FALSE(plan_retry(limits, now - 3h, now, 1h, false).expired);
  CHECK_FALSE(plan_retry({120h, 4h}, now - 30min, now, 1h, false).expired);
}

TEST_CASE("no outage and no jump ends a lifetime") {
  ObservedTime time;
  (void)time.start(at(0), at(0) + 720h, mono(0s));
  Lifetimes limits{120h, 4h};
  WallTime received = at(0) - 1h;
  limits = extended(limits, time.unobserved_since(received));
  CHECK_FALSE(plan_retry(limits, received, at(0) + 720h, 1h, false).expired);
  CHECK_FALSE(plan_retry(limits, received, at(0) + 720h, 1h, false).warn);
  CHECK(plan_retry(limits, received, at(0) + 840h, 1h, false).expired);
}

TEST_CASE("the first look at the clock is no jump") {
  ObservedTime time;
  CHECK_FALSE(time.look(at(0), mono(5s)).jumped);
  CHECK_FALSE(time.look(at(0) + 2s, mono(7s)).jumped);
}
