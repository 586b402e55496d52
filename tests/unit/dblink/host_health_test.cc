// What the log hears of a host.
#include <catch2/catch.hpp>

#include "db-link/host_health.h"

using namespace postwain;
using namespace postwain::dblink;

TEST_CASE("that a host is reached is news once, and again behind a failure") {
  HostHealth health;
  CHECK(health.reached());
  CHECK_FALSE(health.reached());
  MonoTime now{};
  CHECK(health.failed(now));
  CHECK(health.reached());
  CHECK_FALSE(health.reached());
}

TEST_CASE("failures are told once in a second, from the first on") {
  HostHealth health;
  MonoTime now{};
  CHECK(health.failed(now));
  CHECK_FALSE(health.failed(now + std::chrono::milliseconds(999)));
  CHECK(health.failed(now + std::chrono::milliseconds(1000)));
  CHECK_FALSE(health.failed(now + std::chrono::milliseconds(1001)));
  // Also one that is not told makes the next success news.
  CHECK(health.reached());
}
