// When the next attempt is due.
#include <catch2/catch.hpp>

#include "qmgr/verdicts/retry_policy.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using test::at;

TEST_CASE("retry delays follow the list, the last one repeats, jitter stays in its bounds") {
  std::vector<Duration> list = {1min, 5min, 15min};
  Duration want[] = {1min, 1min, 5min, 15min, 15min, 15min};
  for (std::uint32_t attempts = 0; attempts < 6; ++attempts)
    REQUIRE(retry_delay(list, attempts, 0, 99) == want[attempts]);
  Duration least = 1h;
  Duration most = 0ms;
  for (std::uint64_t salt = 0; salt < 1000; ++salt) {
    Duration d = retry_delay(list, 2, 0.1, salt);
    REQUIRE(d >= 270s);
    REQUIRE(d <= 330s);
    REQUIRE(d == retry_delay(list, 2, 0.1, salt));
    least = std::min(least, d);
    most = std::max(most, d);
  }
  REQUIRE(least < 275s);
  REQUIRE(most > 325s);
}

TEST_CASE("plans: warning once, no attempt beyond a milestone, expiry after the last one") {
  Lifetimes limits{5h, 2h};
  struct {
    const char* name;
    Duration age;
    Duration delay;
    bool warned;
    bool expired;
    bool warn;
    Duration next;  // after arrival
  } rows[] = {
      {"young", 1min, 5min, false, false, false, 6min},
      {"not beyond the warning", 1h + 50min, 30min, false, false, false, 2h},
      {"the warning", 2h, 30min, false, false, true, 2h + 30min},
      {"warned already", 2h + 30min, 30min, true, false, false, 3h},
      {"not beyond the end", 4h + 50min, 4h, true, false, false, 5h},
      {"the end", 5h, 1min, true, true, false, 0ms},
      {"late and never warned", 6h, 1min, false, true, false, 0ms},
  };
  for (const auto& row : rows) {
    INFO(row.name);
    Plan plan = plan_retry(limits, at(0), at(0) + row.age, row.delay, row.warned);
    REQUIRE(plan.expired == row.expired);
    REQUIRE(plan.warn == row.warn);
    if (!row.expired) REQUIRE(plan.next_attempt_at == at(0) + row.next);
  }
  config::Queue queue;
  REQUIRE(lifetimes(queue, true).lifetime == queue.bounce_lifetime);
  REQUIRE_FALSE(lifetimes(queue, true).delay_warning.has_value());
}
