// Who is told what, and how long notices wait for each other.
#include <catch2/catch.hpp>

#include "qmgr/verdicts/notice_batch.h"
#include "qmgr/verdicts/notice_plan.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using test::at;

TEST_CASE("notices: who is told what") {
  MessageInfo message = test::make_message(5, {}).info;
  NoticeSettings settings{"mx.test", "postmaster@test", 5h, true, 1000, nullptr};
  auto event = [](std::uint32_t index, Event what, std::uint8_t notify = 0) {
    RecipientEvent e;
    e.index = index;
    e.event = what;
    e.details.recipient.notify.bits = notify;
    return e;
  };
  using N = mail::Notify;
  SECTION("one notice for all that failed at once, NOTIFY obeyed") {
    auto orders = plan_notices(
        message,
        {event(0, Event::failed), event(1, Event::expired), event(2, Event::failed, N::never),
         event(3, Event::failed, N::success), event(4, Event::delayed),
         event(5, Event::delayed, N::failure), event(6, Event::delivered),
         event(7, Event::delivered, N::success), event(8, Event::relayed, N::success)},
        settings, at(0));
    REQUIRE(orders.size() == 4);
    REQUIRE(orders[0].request.action == DsnAction::failed);
    REQUIRE(orders[0].indices == std::vector<std::uint32_t>{0, 1});
    REQUIRE(orders[0].request.recipients[1].expired);
    REQUIRE(orders[0].kind == MessageKind::notice);
    REQUIRE(orders[0].request.to.text() == "sender@example.com");
    REQUIRE(orders[1].indices == std::vector<std::uint32_t>{4});
    REQUIRE(orders[2].indices == std::vector<std::uint32_t>{7});
    REQUIRE(orders[3].indices == std::vector<std::uint32_t>{8});
  }
  SECTION("S14: a stranger's report of success quotes nothing, one of failure does") {
    settings.to_stranger = true;
    auto orders =
        plan_notices(message,
                     {event(0, Event::failed), event(1, Event::delivered, N::success),
                      event(2, Event::relayed, N::success), event(3, Event::expanded, N::success)},
                     settings, at(0));
    REQUIRE(orders.size() == 4);
    REQUIRE(orders[0].request.quotes);
    for (std::size_t i = 1; i < 4; ++i) REQUIRE_FALSE(orders[i].request.quotes);
    settings.to_stranger = false;
    orders = plan_notices(message, {event(1, Event::delivered, N::success)}, settings, at(0));
    REQUIRE(orders.at(0).request.quotes);
  }
  SECTION("operate 1: the null sender is never answered, and nobody else by default") {
    message.envelope.reverse_path = {};
    settings.double_bounces = NoticeSettings{}.double_bounces;
    REQUIRE(ends_untold(message, settings.double_bounces));
    REQUIRE(plan_notices(message, {event(0, Event::failed)}, settings, at(0)).empty());
  }
  SECTION("operate 1: with double_bounces the postmaster hears of it once") {
    message.envelope.reverse_path = {};
    settings.double_bounces = true;
    auto orders = plan_notices(
        message,
        {event(0, Event::failed), event(1, Event::delayed), event(2, Event::delivered, N::success)},
        settings, at(0));
    REQUIRE(orders.size() == 1);
    REQUIRE(orders[0].kind == MessageKind::double_bounce);
    REQUIRE(orders[0].request.to.text() == "postmaster@test");
    REQUIRE(orders[0].request.to_postmaster);
    settings.double_bounces = false;
    REQUIRE(plan_notices(message, {event(0, Event::failed)}, settings, at(0)).empty());
    settings.double_bounces = true;
    message.kind = MessageKind::double_bounce;
    REQUIRE(plan_notices(message, {event(0, Event::failed)}, settings, at(0)).empty());
  }
  SECTION("very many recipients make several notices") {
    std::vector<RecipientEvent> events;
    for (std::uint32_t i = 0; i < 250; ++i) events.push_back(event(i, Event::failed));
    auto orders = plan_notices(message, std::move(events), settings, at(0));
    REQUIRE(orders.size() == 3);
    REQUIRE(orders[2].indices.size() == 50);
  }
}

TEST_CASE("notices of one message wait for each other, but not long") {
  NoticeBatch batch;
  auto moment = [](int ms) { return MonoTime(Duration(ms)); };
  auto add = [&](std::uint64_t id, std::uint32_t index, int ms) {
    RecipientChange change;
    change.index = index;
    batch.add(mail::QueueId{id}, std::move(change), {index, Event::failed, {}}, moment(ms));
  };
  REQUIRE(batch.empty());
  add(1, 0, 100);
  add(1, 4, 900);
  add(2, 0, 800);
  REQUIRE(batch.holds(mail::QueueId{1}));
  REQUIRE_FALSE(batch.holds(mail::QueueId{3}));
  REQUIRE(batch.over(moment(100) + kBatchFailed - 1ms).empty());
  REQUIRE(batch.over(moment(100) + kBatchFailed) == std::vector{mail::QueueId{1}});
  REQUIRE(batch.over(moment(900) + kBatchFailed).size() == 2);
  auto first = batch.take(mail::QueueId{1});
  REQUIRE(first.has_value());
  REQUIRE(first->settlement.id == mail::QueueId{1});
  REQUIRE(first->settlement.changes.size() == 2);
  REQUIRE(first->events[1].index == 4);
  REQUIRE_FALSE(batch.take(mail::QueueId{1}).has_value());
  REQUIRE_FALSE(batch.empty());
}

TEST_CASE("D6: warnings of one message wait longer for each other than failures do") {
  NoticeBatch batch;
  MonoTime start(Duration(1000));
  for (int i = 0; i < 40; ++i) {
    RecipientChange change;
    change.index = static_cast<std::uint32_t>(i);
    MonoTime now = start + i * 1s;
    REQUIRE(batch.over(now).empty());
    batch.add(mail::QueueId{1}, std::move(change),
              {static_cast<std::uint32_t>(i), Event::delayed, {}}, now);
  }
  RecipientChange change;
  change.index = 40;
  batch.add(mail::QueueId{1}, std::move(change), {40, Event::failed, {}}, start + 40s);
  REQUIRE(batch.over(start + 40s + kBatchFailed).size() == 1);  // not as long as the warnings
  REQUIRE(batch.take(mail::QueueId{1})->events.size() == 41);
}
