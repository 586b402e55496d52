// Session tickets: keys that go forward in time only, and are the same in every process.
#include <catch2/catch.hpp>

#include "common/tls/ticket_keys.h"

using namespace postwain;
using namespace postwain::tls;

namespace {

const WallTime kStart = from_unix_ms(1'800'000'000'000);

TicketSeed seed() {
  return TicketSeed::from_text(TicketSeed::random(kStart).text(), kStart);
}

}  // namespace

TEST_CASE("tickets: two processes go the same way, however often they look") {
  TicketSeed first = seed();
  TicketKeys often(first);
  TicketKeys seldom(first);
  for (int hour = 0; hour < 100; ++hour) (void)often.current(kStart + std::chrono::hours(hour));
  WallTime later = kStart + std::chrono::hours(100);
  CHECK(often.current(later).name == seldom.current(later).name);
  CHECK(often.current(later).encryption == seldom.current(later).encryption);
  CHECK(often.current(later).signature == seldom.current(later).signature);
}

TEST_CASE("tickets: a seed handed on later leads to the same keys, and to none of before") {
  TicketSeed given = seed();
  TicketKeys old(given);
  std::string before = old.current(kStart).name;
  WallTime later = kStart + 3 * kTicketPeriod;
  given.advance(later);
  TicketKeys fresh(TicketSeed::from_text(given.text(), later));
  CHECK(fresh.current(later).name == old.current(later).name);
  CHECK(fresh.find(before, later) == nullptr);
  CHECK(given.bytes() != seed().bytes());
}

TEST_CASE("tickets: good for this period and the next") {
  TicketKeys keys(seed());
  TicketKey key = keys.current(kStart);
  CHECK(key.name.size() == 16);
  CHECK(key.encryption.size() == 32);
  CHECK(key.encryption != key.signature);
  CHECK(keys.find(key.name, kStart) != nullptr);
  WallTime next = kStart + kTicketPeriod;
  REQUIRE(keys.find(key.name, next) != nullptr);
  CHECK(keys.find(key.name, next)->encryption == key.encryption);
  CHECK(keys.current(next).name != key.name);
  CHECK(keys.find(key.name, kStart + 2 * kTicketPeriod) == nullptr);
  // A clock that is set back brings nothing back.
  CHECK(keys.find(key.name, kStart) == nullptr);
  CHECK(keys.find(std::string(16, '\0'), kStart) == nullptr);
}

TEST_CASE("tickets: over a long sleep everything is forgotten") {
  TicketKeys keys(seed());
  std::string before = keys.current(kStart).name;
  WallTime late = kStart + 5 * kTicketPeriod;
  CHECK(keys.find(before, late) == nullptr);
  (void)keys.current(late + 200'000 * kTicketPeriod);
}

TEST_CASE("tickets: nonsense instead of a seed is as good as a new one") {
  for (const char* text : {"", "x", "12", "12 AAAA", "x AAAA"}) {
    TicketKeys keys(TicketSeed::from_text(text, kStart));
    CHECK(keys.current(kStart).encryption.size() == 32);
  }
}
