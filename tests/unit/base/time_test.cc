#include "common/base/time.h"

#include <ctime>

#include <catch2/catch.hpp>

using namespace postwain;
using namespace std::chrono_literals;

TEST_CASE("dates are written in UTC by the RFC's form") {
  WallTime t = from_unix_ms(1763717400123);
  CHECK(format_rfc3339(t) == "2025-11-21T09:30:00Z");
  CHECK(format_rfc3339_ms(t) == "2025-11-21T09:30:00.123Z");
  CHECK(format_rfc5322(t) == "Fri, 21 Nov 2025 09:30:00 +0000");
  CHECK(format_rfc3339_ms(from_unix_ms(-1)) == "1969-12-31T23:59:59.999Z");
}

TEST_CASE("durations read like the configuration writes them") {
  CHECK(format_duration(120ms) == "120ms");
  CHECK(format_duration(45s) == "45s");
  CHECK(format_duration(150min) == "2h30m");
  CHECK(format_duration(72h) == "3d");
  CHECK(format_duration(-5s) == "-5s");
}

// Nobody's wall clock says who lives, or whether an end of data may leave.
TEST_CASE("boot time is the clock that runs on in the machine's sleep, and no date") {
  auto clock_ms = [](clockid_t clock) {
    timespec now{};
    REQUIRE(::clock_gettime(clock, &now) == 0);
    return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
  };
  const std::int64_t before = clock_ms(CLOCK_BOOTTIME);
  const std::int64_t read = boot_now().time_since_epoch().count();
  CHECK(before <= read);
  CHECK(read <= clock_ms(CLOCK_BOOTTIME));
  // No machine of ours has run since 1970, so the two are told apart.
  CHECK(read < clock_ms(CLOCK_REALTIME) / 2);
}
