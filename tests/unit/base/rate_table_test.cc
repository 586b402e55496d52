// Token buckets: what is left after which time.
#include "common/base/rate_table.h"

#include <catch2/catch.hpp>

using namespace postwain;
using namespace std::chrono_literals;

namespace {
const MonoTime kStart{24h};
}

TEST_CASE("a bucket empties and fills evenly", "[rate]") {
  RateTable table(10);
  Rate rate{6, 1h};
  for (int i = 0; i < 6; ++i) {
    CHECK(table.has("a", 1, rate, kStart));
    table.take("a", 1, rate, kStart);
  }
  struct Step {
    Duration later;
    std::uint32_t left;
  };
  for (const Step& step : {Step{0min, 0}, Step{9min, 0}, Step{10min, 1}, Step{31min, 3},
                           Step{60min, 6}, Step{24h, 6}}) {
    INFO(step.later.count());
    CHECK((step.left == 0 || table.has("a", step.left, rate, kStart + step.later)));
    CHECK_FALSE(table.has("a", step.left + 1, rate, kStart + step.later));
  }
  CHECK(table.has("b", 6, rate, kStart));
}

TEST_CASE("roundings of many do not add up", "[rate]") {
  RateTable table(10);
  Rate rate{700'000, 1h};  // a gap of 5142.857 microseconds
  std::uint32_t taken = 0;
  for (; table.has("a", 1, rate, kStart) && taken < 800'000; ++taken)
    table.take("a", 1, rate, kStart);
  CHECK(taken <= 700'001);
  CHECK(taken >= 700'000);
}

TEST_CASE("no rate, no limit; more than the rate never fits", "[rate]") {
  RateTable table(10);
  table.take("a", 1000, {}, kStart);
  CHECK(table.has("a", 1000, {}, kStart));
  CHECK(table.keys() == 0);
  CHECK_FALSE(table.has("a", 7, {6, 1h}, kStart + 24h));
}

TEST_CASE("what is given back is there again", "[rate]") {
  RateTable table(10);
  Rate rate{2, 1h};
  table.take("a", 2, rate, kStart);
  table.give_back("a", 1, rate);
  CHECK(table.has("a", 1, rate, kStart));
  CHECK_FALSE(table.has("a", 2, rate, kStart));
}

TEST_CASE("what somebody else has counted counts as well", "[rate]") {
  RateTable table(2);
  Rate rate{2, 1h};
  CHECK(table.owed("a", kStart) == 0ns);
  table.set_owed("a", 45min, kStart);
  CHECK(table.owed("a", kStart + 5min) == 40min);
  CHECK_FALSE(table.has("a", 1, rate, kStart));
  CHECK(table.has("a", 1, rate, kStart + 15min));
  CHECK(table.owed("a", kStart + 50min) == 0ns);
  table.set_owed("a", 0ns, kStart);
  CHECK(table.keys() == 0);
  for (const char* key : {"a", "b", "c"}) table.set_owed(key, 1h, kStart);
  CHECK(table.keys() == 2);
}

TEST_CASE("the keys are bounded, and full buckets forgotten", "[rate]") {
  RateTable table(2);
  Rate rate{1, 1h};
  for (const char* key : {"a", "b", "c"}) table.take(key, 1, rate, kStart);
  CHECK(table.keys() == 2);
  CHECK_FALSE(table.has("c", 1, rate, kStart));  // S19: a full table still counts
  table.take("c", 1, rate, kStart + 2h);
  CHECK(table.keys() == 1);
}

TEST_CASE("S19: who fills the table drives out his own keys, not those that owe much", "[rate]") {
  RateTable table(64);
  Rate rate{4, 1h};
  table.take("guesser", 4, rate, kStart);
  for (int i = 0; i < 10'000; ++i) table.take(std::to_string(i), 1, rate, kStart);
  CHECK(table.keys() == 64);
  CHECK_FALSE(table.has("guesser", 1, rate, kStart));
}
