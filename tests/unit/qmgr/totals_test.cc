// How many there are, by state, class and way.
#include <map>

#include <catch2/catch.hpp>

#include "qmgr/store/totals.h"

using namespace postwain;
using namespace postwain::qmgr;

TEST_CASE("totals while old messages are still being counted") {
  constexpr auto kBulk = TrafficClass::bulk;
  Totals totals;
  totals.start(mail::QueueId{100});
  auto queued = totals.bin("mx:a.example", kBulk, QueueState::queued);
  totals.added_message();  // a new one, id above 100
  for (int i = 0; i < 3; ++i) totals.added(queued);
  totals.removed(mail::QueueId{50}, queued);  // not counted yet: will not be found
  totals.removed_message(mail::QueueId{50});
  REQUIRE(totals.messages() == 1);
  Counts stretch;
  stretch.messages = 10;
  for (int i = 0; i < 20; ++i)
    stretch.add(i < 15 ? "mx:b.example" : "smtp:relay:587 route=2", kBulk, QueueState::deferred);
  totals.counted(mail::QueueId{60}, stretch);
  auto deferred = Totals::with_state(queued, QueueState::deferred);
  totals.removed(mail::QueueId{55}, deferred);  // was counted
  totals.removed(mail::QueueId{55}, deferred);
  totals.removed_message(mail::QueueId{55});
  totals.moved(mail::QueueId{55}, deferred, Totals::with_state(deferred, QueueState::held));
  totals.moved(mail::QueueId{70}, deferred, Totals::with_state(deferred, QueueState::held));
  totals.counted(mail::QueueId{100}, {});
  REQUIRE(totals.complete());
  totals.removed(mail::QueueId{101}, queued);
  REQUIRE(totals.messages() == 1 + 10 - 1);
  REQUIRE(totals.recipients() == 3 + 20 - 2 - 1);
  REQUIRE(totals.recipients(QueueState::queued) == 2);
  REQUIRE(totals.recipients(QueueState::deferred) == 20 - 2 - 1);
  REQUIRE(totals.recipients(QueueState::held) == 1);
  std::int64_t relay = 0;
  for (const Counts::Group& group : totals.groups()) {
    if (group.recipients != 0) REQUIRE(group.traffic_class == kBulk);
    if (group.way == "smtp:relay:587 route=2") relay += group.recipients;
  }
  REQUIRE(relay == 5);
}

TEST_CASE("ways beyond the bound are counted as one, and mail by MX always is") {
  Totals totals;
  for (std::size_t i = 0; i < 2 * kWaysMax; ++i) {
    auto number = std::to_string(i);
    totals.added(totals.bin("smtp:" + number + ":25", TrafficClass::bulk, QueueState::queued));
    totals.added(totals.bin("mx:" + number + ".example", TrafficClass::bulk, QueueState::queued));
    totals.added(totals.bin("mx:x route=1", TrafficClass::bulk, QueueState::queued));
  }
  std::map<std::string, std::int64_t> ways;
  for (const Counts::Group& group : totals.groups()) ways[group.way] += group.recipients;
  REQUIRE(ways.size() == kWaysMax + 1);
  REQUIRE(ways["mx"] == 2 * kWaysMax);
  REQUIRE(ways["mx route=1"] == 2 * kWaysMax);
  REQUIRE(ways["other"] == kWaysMax + 2);
}
