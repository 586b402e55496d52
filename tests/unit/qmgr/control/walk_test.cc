// A command's way through the queue: legs, what counts once, when it is over; and why a recipient
// cannot be tried.
#include <catch2/catch.hpp>

#include <string>

#include "qmgr/control/hindrance.h"
#include "qmgr/control/walk.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using Purpose = Walk::Purpose;
using Next = Walk::Next;

namespace {

constexpr mail::QueueId kNextId{1000};

Command with_id(std::uint64_t id) {
  Command command;
  command.filter.id = mail::QueueId{id};
  return command;
}

StoredMessage part_of(std::uint64_t id, std::size_t recipients) {
  StoredMessage part;
  part.info.id = mail::QueueId{id};
  part.recipients.resize(recipients);
  return part;
}

Walk acting() {
  return Walk(Command{}, Purpose::act, Action::hold, kNextId, std::nullopt);
}

void read_empty_page(Walk& walk, bool end) {
  walk.begin_page(walk.at(), end, test::at(0));
  walk.end_page();
}

}  // namespace

TEST_CASE("a walk through the queue has a second leg, for ids that lie ahead") {
  Walk walk(Command{}, Purpose::list, Action::retry, kNextId, std::nullopt);
  CHECK(walk.at().after == mail::QueueId{});
  CHECK(walk.last() == kNextId);
  ListCursor next{};
  next.after = mail::QueueId{7};
  walk.begin_page(next, false, test::at(0));
  CHECK(walk.at().after == mail::QueueId{7});
  CHECK_FALSE(walk.page_is_over());
  walk.end_page();
  REQUIRE(walk.page_is_over());
  CHECK(walk.next() == Next::page);
  // The end of the first leg: what is made meanwhile lies between the two.
  read_empty_page(walk, true);
  CHECK(walk.at().after == mail::QueueId::first_of(test::at(0) + mail::QueueIdSource::kPassMax));
  CHECK(walk.last() == mail::QueueId{mail::QueueId::kLast});
  CHECK(walk.next() == Next::page);
  read_empty_page(walk, true);
  CHECK(walk.next() == Next::end);
  CHECK(walk.is_over());
}

TEST_CASE("a walk for one message, or for named ones, has one leg") {
  Walk one(with_id(42), Purpose::show, Action::retry, kNextId, std::nullopt);
  CHECK(one.at().after == mail::QueueId{41});
  CHECK(one.last() == mail::QueueId{42});
  read_empty_page(one, true);
  CHECK(one.next() == Next::end);
  Walk named(Command{}, Purpose::list, Action::retry, kNextId,
             std::vector<mail::QueueId>{mail::QueueId{5}});
  read_empty_page(named, true);
  CHECK(named.next() == Next::end);
}

TEST_CASE("a message that was named and not met is told of") {
  Walk walk(with_id(42), Purpose::show, Action::retry, kNextId, std::nullopt);
  std::string id = mail::QueueId{42}.text();
  CHECK(walk.not_found() == "no message " + id + " in the queue");
  CHECK(walk.meet(part_of(42, 1)));
  CHECK_FALSE(walk.not_found());
  Command filtered = with_id(42);
  filtered.filter.domain = "x.test";
  CHECK(Walk(filtered, Purpose::act, Action::hold, kNextId, std::nullopt).not_found() ==
        "no message " + id + " in the queue matches");
  CHECK_FALSE(acting().not_found());
}

TEST_CASE("a message in several parts counts once, its recipients all") {
  Walk walk = acting();
  CHECK(walk.meet(part_of(3, 2)));
  CHECK_FALSE(walk.meet(part_of(3, 5)));
  CHECK(walk.meet(part_of(4, 1)));
  CHECK(walk.acted().matched == 2);
  CHECK(walk.acted().recipients == 8);
  for (std::size_t changed : {2, 0, 3}) {
    walk.begin_act();
    walk.acted(mail::QueueId{3}, changed);
  }
  walk.begin_act();
  walk.acted(mail::QueueId{4}, 0);
  CHECK(walk.acted().changed == 1);
  CHECK(walk.acted().recipients_changed == 5);
}

TEST_CASE("an action waits for what is done on its page, and at the end for running attempts") {
  Walk walk = acting();
  read_empty_page(walk, true);
  CHECK(walk.next() == Next::page);
  walk.begin_page(walk.at(), true, test::at(0));
  walk.begin_act();
  walk.begin_wait(2);
  walk.end_page();
  CHECK_FALSE(walk.page_is_over());
  walk.acted(mail::QueueId{9}, 1);
  REQUIRE(walk.page_is_over());
  CHECK(walk.next() == Next::await);
  CHECK(walk.waiting() == 2);
  CHECK_FALSE(walk.is_over());
  // The message is counted already.
  CHECK(walk.was_changed(mail::QueueId{9}));
  walk.waited(2, 2, true);
  CHECK(walk.is_over());
  CHECK(walk.acted().changed == 1);
  CHECK(walk.acted().recipients_changed == 3);
}

TEST_CASE("an action tells after some pages how far it is; a list does not") {
  for (Purpose purpose : {Purpose::act, Purpose::list}) {
    Walk walk(Command{}, purpose, Action::hold, kNextId, std::nullopt);
    for (std::size_t page = 1; page <= 2 * kTellPages; ++page) {
      read_empty_page(walk, false);
      bool tells = purpose == Purpose::act && page % kTellPages == 0;
      REQUIRE(walk.next() == (tells ? Next::tell : Next::page));
    }
  }
}

TEST_CASE("few reasons are told apart, the others are counted together") {
  Walk walk = acting();
  for (int i = 0; i < 50; ++i) walk.hinder("reason " + std::to_string(i));
  walk.hinder("reason 3");
  CHECK(walk.hindered().size() == 21);
  CHECK(walk.hindered().at("reason 3") == 2);
  CHECK(walk.hindered().at("for other reasons") == 30);
}

TEST_CASE("why a recipient cannot be tried") {
  const WallTime now = test::at(0);
  Wait suspension;
  suspension.cause = WaitCause::suspension;
  suspension.scope = "x.test";
  Wait breaker;
  breaker.cause = WaitCause::breaker;
  breaker.scope = "mx:x.test";
  breaker.reason = "timed out";
  Wait turn;
  auto ask = [&](Action action, bool held, bool active, std::optional<Wait> wait) {
    return hindrance_of(action, {held, active, [wait] { return wait; }}, now);
  };
  CHECK_FALSE(ask(Action::hold, true, true, suspension));
  CHECK_FALSE(ask(Action::cancel, false, false, suspension));
  CHECK_FALSE(ask(Action::retry, false, false, std::nullopt));
  CHECK_FALSE(ask(Action::retry, false, false, turn));
  CHECK_FALSE(ask(Action::release, false, true, suspension));

  auto held = ask(Action::retry, true, false, suspension);
  REQUIRE(held);
  CHECK(held->why == "held; postwain queue release ends that");
  CHECK_FALSE(held->leaves_alone);
  auto active = ask(Action::retry, false, true, suspension);
  REQUIRE(active);
  CHECK(active->why == "an attempt runs at this moment");
  CHECK_FALSE(active->leaves_alone);
  auto suspended = ask(Action::retry, false, false, suspension);
  REQUIRE(suspended);
  CHECK(suspended->leaves_alone);
  CHECK(suspended->why == suspension.words(now) + "; postwain queue resume 'x.test' ends that");
  auto released = ask(Action::release, true, false, suspension);
  REQUIRE(released);
  CHECK_FALSE(released->leaves_alone);
  auto down = ask(Action::retry, false, false, breaker);
  REQUIRE(down);
  CHECK_FALSE(down->leaves_alone);
  CHECK(down->why ==
        "mx:x.test could not be reached: one message is tried at once, the others when it has got "
        "through: timed out");
}
