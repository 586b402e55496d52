// Whose files in the drop folder are looked at next, and when again.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "postwain/sendmail/drop_turns.h"

using namespace postwain;
using namespace postwain::tool;
using namespace std::chrono_literals;

namespace {

const MonoTime kStart = MonoTime(100h);

}  // namespace

TEST_CASE("S10: owners take turns, whoever came first") {
  DropTurns turns;
  for (int i = 0; i < 100'000; ++i) turns.add(12345, fmt::format("a{}", i));
  for (int i = 0; i < 3; ++i) turns.add(12001, fmt::format("b{}", i));
  turns.add(12002, "c0");
  std::vector<std::string> next = turns.take();
  REQUIRE(next.size() == kPickupAtOnce);
  CHECK(std::vector(next.begin(), next.begin() + 7) ==
        std::vector<std::string>{"b0", "c0", "a0", "b1", "a1", "b2", "a2"});
  CHECK(turns.take().empty());
}

TEST_CASE("S10: with very many owners nobody is left out for good") {
  DropTurns turns;
  for (std::uint32_t uid = 0; uid < 5000; ++uid) turns.add(uid, fmt::format("{}", uid));
  CHECK(turns.take().size() == kPickupAtOnce);
}

TEST_CASE("S10: what is refused for now waits longer and longer by itself") {
  DropRetries retries;
  CHECK(retries.may_try("f", kStart));
  CHECK_FALSE(retries.refused("f", 1min, kStart));
  CHECK_FALSE(retries.may_try("f", kStart + 9s));
  CHECK(retries.may_try("other", kStart));
  CHECK(retries.may_try("f", kStart + 10s));
  MonoTime now = kStart + 10s;
  for (int i = 0; i < 10; ++i) {
    CHECK_FALSE(retries.refused("f", 1h, now));
    now += kDropPauseMax;
    CHECK(retries.may_try("f", now));
  }
  retries.forget("f");
  CHECK(retries.size() == 0);
}

TEST_CASE("S10: often and for days refused is refused") {
  DropRetries retries;
  MonoTime now = kStart;
  std::uint32_t tries = 0;
  bool over = false;
  while (!over && tries < 1000) {
    ++tries;
    over = retries.refused("f", 6 * 24h, now);
    now += kDropPauseMax;
  }
  CHECK(tries == kDropTriesMin);
  for (int i = 0; i < 1000; ++i) CHECK_FALSE(retries.refused("young", 4 * 24h, now));
}

TEST_CASE("S10: the memory of files is bounded and forgets those that are gone") {
  DropRetries retries;
  for (std::size_t i = 0; i < kDropRetriesMax + 100; ++i)
    (void)retries.refused(fmt::format("{}", i), 1min, kStart);
  CHECK(retries.size() == kDropRetriesMax);
  retries.keep_only_recent(kStart + 1h);
  CHECK(retries.size() == 0);
}
