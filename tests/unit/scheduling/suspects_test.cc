// Whom failures have in common.
#include <catch2/catch.hpp>

#include "qmgr/scheduling/suspects.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using test::at;

TEST_CASE("F1: suspects: blame follows what failures have in common") {
  const std::vector<Duration> retry = {1min, 5min};
  Suspects::Steps steps{kInternetSteps, retry, 0.5};
  Suspects suspects;
  auto breaks = [&](std::uint64_t message, Marks marks) {
    return suspects.broke_off(mail::QueueId{message}, marks, "421 no", at(0), steps);
  };
  auto waits = [&](std::uint64_t message, Marks marks, WallTime now) {
    return suspects.hold(mail::QueueId{message}, marks, now, steps).has_value();
  };

  SECTION("one sender: held, then one trial at a time, and nobody else") {
    for (std::uint32_t i = 1; i <= 5; ++i) REQUIRE_FALSE(breaks(i, {7, 1, 100 + i}));
    REQUIRE(waits(9, {7, 1, 200}, at(1)));
    REQUIRE_FALSE(waits(9, {8, 1, 101}, at(1)));
    REQUIRE_FALSE(waits(9, {7, 1, 200}, at(60'000)));  // it is the trial
    REQUIRE(waits(10, {7, 1, 201}, at(60'001)));
    REQUIRE_FALSE(breaks(9, {7, 1, 200}));
    suspects.succeeded({7, 1, 202});
    REQUIRE_FALSE(waits(10, {7, 1, 201}, at(60'002)));
    REQUIRE(suspects.idle());
  }
  SECTION("one mailbox, whoever writes") {
    for (std::uint32_t i = 1; i <= 5; ++i) REQUIRE_FALSE(breaks(i, {i, i, 100}));
    REQUIRE(waits(9, {9, 9, 100}, at(1)));
    REQUIRE_FALSE(waits(9, {1, 1, 101}, at(1)));
  }
  SECTION("one sender to one mailbox: neither's other mail") {
    for (std::uint32_t i = 1; i <= 5; ++i) REQUIRE_FALSE(breaks(i, {7, 1, 100}));
    REQUIRE(waits(9, {7, 1, 100}, at(1)));
    REQUIRE_FALSE(waits(9, {7, 1, 101}, at(1)));
    REQUIRE_FALSE(waits(9, {8, 1, 100}, at(1)));
  }
  SECTION("many senders of one domain") {
    for (std::uint32_t i = 1; i <= 5; ++i) REQUIRE_FALSE(breaks(i, {i, 1, 100 + i}));
    REQUIRE(waits(9, {9, 1, 200}, at(1)));
    REQUIRE_FALSE(waits(9, {9, 2, 200}, at(1)));
  }
  SECTION("one message that fails again and again says nothing of others") {
    for (std::uint32_t i = 1; i <= 50; ++i) REQUIRE_FALSE(breaks(1, {7, 1, 100}));
    REQUIRE_FALSE(waits(2, {7, 1, 100}, at(1)));
  }
  SECTION("spread over all: the destination") {
    bool spread = false;
    for (std::uint32_t i = 1; i <= 7; ++i) spread = breaks(i, {i, i, 100 + i});
    REQUIRE(spread);
  }
  SECTION("others got through in between: not the destination") {
    for (std::uint32_t i = 1; i <= 30; ++i) {
      REQUIRE_FALSE(breaks(i, {i, i, 100 + i}));
      suspects.succeeded({1000 + i, 1000 + i, 2000 + i});
    }
  }
  SECTION("bounded") {
    for (std::uint32_t i = 1; i <= 10'000; ++i) (void)breaks(i, {i / 6, i / 6, i});
    REQUIRE(suspects.held() <= kSuspectsHeldMax);
  }
}
