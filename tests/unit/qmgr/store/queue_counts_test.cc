// How many there are, by state, class and way.
#include <map>

#include <catch2/catch.hpp>

#include "qmgr/store/queue_counts.h"

using namespace postwain;
using namespace postwain::qmgr;

TEST_CASE("totals while old messages are still being counted") {
  constexpr auto kBulk = TrafficClass::bulk;
  QueueCounts queue_counts;
  queue_counts.start(mail::QueueId{100});
  auto queued = queue_counts.count_key("mx:a.example", kBulk, QueueState::queued);
  queue_counts.added_message(mail::QueueId{101});  // a new one, id above 100
  for (int i = 0; i < 3; ++i) queue_counts.added(mail::QueueId{101}, queued);
  queue_counts.removed(mail::QueueId{50}, queued);  // not counted yet: will not be found
  queue_counts.removed_message(mail::QueueId{50});
  REQUIRE(queue_counts.messages() == 1);
  Counts stretch;
  stretch.messages = 10;
  for (int i = 0; i < 20; ++i)
    stretch.add(i < 15 ? "mx:b.example" : "smtp:relay:587 route=2", kBulk, QueueState::deferred);
  queue_counts.counted(mail::QueueId{60}, stretch);
  auto deferred = QueueCounts::with_state(queued, QueueState::deferred);
  queue_counts.removed(mail::QueueId{55}, deferred);  // was counted
  queue_counts.removed(mail::QueueId{55}, deferred);
  queue_counts.removed_message(mail::QueueId{55});
  queue_counts.moved(mail::QueueId{55}, deferred,
                     QueueCounts::with_state(deferred, QueueState::held));
  queue_counts.moved(mail::QueueId{70}, deferred,
                     QueueCounts::with_state(deferred, QueueState::held));
  queue_counts.counted(mail::QueueId{100}, {});
  REQUIRE(queue_counts.complete());
  queue_counts.removed(mail::QueueId{101}, queued);
  REQUIRE(queue_counts.messages() == 1 + 10 - 1);
  REQUIRE(queue_counts.recipients() == 3 + 20 - 2 - 1);
  REQUIRE(queue_counts.recipients(QueueState::queued) == 2);
  REQUIRE(queue_counts.recipients(QueueState::deferred) == 20 - 2 - 1);
  REQUIRE(queue_counts.recipients(QueueState::held) == 1);
  std::int64_t relay = 0;
  for (const Counts::Group& group : queue_counts.groups()) {
    if (group.recipients != 0) REQUIRE(group.traffic_class == kBulk);
    if (group.route_label == "smtp:relay:587 route=2") relay += group.recipients;
  }
  REQUIRE(relay == 5);
}

TEST_CASE("ways beyond the bound are counted as one, and mail by MX always is") {
  QueueCounts queue_counts;
  queue_counts.start({});
  for (std::size_t i = 0; i < 2 * kRouteLabelsMax; ++i) {
    auto number = std::to_string(i);
    queue_counts.added(
        mail::QueueId{1},
        queue_counts.count_key("smtp:" + number + ":25", TrafficClass::bulk, QueueState::queued));
    queue_counts.added(mail::QueueId{1},
                       queue_counts.count_key("mx:" + number + ".example", TrafficClass::bulk,
                                              QueueState::queued));
    queue_counts.added(mail::QueueId{1}, queue_counts.count_key("mx:x route=1", TrafficClass::bulk,
                                                                QueueState::queued));
  }
  std::map<std::string, std::int64_t> ways;
  for (const Counts::Group& group : queue_counts.groups())
    ways[group.route_label] += group.recipients;
  REQUIRE(ways.size() == kRouteLabelsMax + 1);
  REQUIRE(ways["mx"] == 2 * kRouteLabelsMax);
  REQUIRE(ways["mx route=1"] == 2 * kRouteLabelsMax);
  REQUIRE(ways["other"] == kRouteLabelsMax + 2);
}
