// Window and breaker of a destination.
#include <catch2/catch.hpp>

#include "qmgr/scheduling/destination_health.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using test::at;

TEST_CASE("health: window, breaker, half-open probe") {
  std::vector<Duration> retry = {1min, 5min, 15min, 30min, 60min};
  DestinationHealth health(0);
  REQUIRE(health.slots(at(0)) == 5);
  for (int i = 0; i < 300; ++i) health.succeeded();
  REQUIRE(health.slots(at(0)) == kWindowMax);

  SECTION("a few failures shrink the window, one message in trouble opens nothing") {
    for (std::uint32_t i = 0; i + 1 < kCohort; ++i)
      REQUIRE_FALSE(health.failed(at(0), kInternetSteps, retry, 0.5));
    REQUIRE_FALSE(health.is_open());
    REQUIRE(health.slots(at(0)) == kWindowMax - kCohort + 1);
    health.succeeded();
    REQUIRE_FALSE(health.failed(at(0), kInternetSteps, retry, 0.5));
  }
  SECTION("a cohort opens it; the hold follows the retry schedule; one probe closes it") {
    for (std::uint32_t i = 0; i < kCohort; ++i)
      (void)health.failed(at(0), kInternetSteps, retry, 0.5);
    REQUIRE(health.is_open());
    REQUIRE(health.slots(at(0)) == 0);
    REQUIRE(health.hold_until() == at(60'000));
    REQUIRE_FALSE(health.failed(at(10), kInternetSteps, retry, 0.5));  // began before
    REQUIRE(health.slots(at(60'000)) == 1);
    REQUIRE(health.failed(at(60'000), kInternetSteps, retry, 0.5));
    REQUIRE(health.hold_until() == at(60'000) + 5min);
    WallTime now = health.hold_until();
    for (int i = 0; i < 8; ++i) {
      REQUIRE(health.failed(now, kInternetSteps, retry, 1.0));
      REQUIRE(health.hold_until() - now <= 60min);
      now = health.hold_until();
    }
    REQUIRE(health.succeeded());
    REQUIRE(health.slots(now) == kWindowSlowStart);
  }
  SECTION("a schedule in seconds is not held up") {
    std::vector<Duration> fast = {1s};
    for (std::uint32_t i = 0; i < kCohort; ++i)
      (void)health.failed(at(0), kMailboxSteps, fast, 0.5);
    REQUIRE(health.hold_until() == at(1000));
  }
  SECTION("a route's own limit") {
    DestinationHealth narrow(3);
    REQUIRE(narrow.slots(at(0)) == 3);
    for (int i = 0; i < 100; ++i) narrow.succeeded();
    REQUIRE(narrow.slots(at(0)) == 3);
  }
}
