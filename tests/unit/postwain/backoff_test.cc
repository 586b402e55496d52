#include <catch2/catch.hpp>

#include "postwain/process/backoff.h"

using namespace postwain;
using namespace postwain::tool;
using namespace std::chrono_literals;

TEST_CASE("a process that dies at once waits longer and longer") {
  Backoff backoff;
  for (Duration want : {1s, 2s, 4s, 8s, 16s, 30s, 30s}) CHECK(backoff.after_run(10ms) == want);
}

TEST_CASE("a single accident costs a second, whenever it comes") {
  Backoff backoff;
  CHECK(backoff.after_run(24h) == 1s);
  CHECK(backoff.after_run(5s) == 1s);
  CHECK(backoff.after_run(4999ms) == 2s);
  CHECK(backoff.after_run(9s) == 4s);
  CHECK(backoff.after_run(20s) == 1s);
}

TEST_CASE("a minute is always long enough") {
  Backoff backoff;
  for (int i = 0; i < 10; ++i) (void)backoff.after_run(0s);
  CHECK(backoff.after_run(59s) == 30s);
  CHECK(backoff.after_run(60s) == 1s);
}
