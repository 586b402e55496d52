// The port's contract at its edges: bounds, cursors, and what is changed twice.
#include <catch2/catch.hpp>

#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;
using test::at;
using test::make_message;
using test::removal;

namespace {

RecipientChange greylisting(std::uint32_t index, std::int64_t ms) {
  RecipientChange change;
  change.index = index;
  change.kind = ChangeKind::defer;
  change.destination = "mx:example.org";
  change.attempts = 1;
  change.next_attempt_at = at(ms);
  change.last = {at(1), mail::Stage::rcpt, {450, {4, 2, 1}, "greylisted"}, "mx.example.org"};
  return change;
}

}  // namespace

TEST_CASE("whoever may have a message already is counted, up to a bound") {
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  CHECK(*store->scan().in_doubt(10) == 0);
  for (std::uint64_t id = 1; id <= 5; ++id) {
    store.put(make_message(id, {"a@example.org", "b@example.org"}));
    RecipientChange doubtful = greylisting(0, 1000);
    doubtful.in_doubt = true;
    store.settle({mail::QueueId{id}, {doubtful}, {}});
  }
  CHECK(*store->scan().in_doubt(10) == 5);
  CHECK(*store->scan().in_doubt(3) == 3);
}

TEST_CASE("a clock that was set back brings due times near, and no further than now") {
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  store.put(make_message(1, {"a@example.org", "b@example.org", "c@example.org"}));
  store.settle(
      {mail::QueueId{1}, {greylisting(0, 2000), greylisting(1, 90'000), greylisting(2, 100)}, {}});
  REQUIRE(store->begin().ok());
  auto changed =
      store->waiting().set_back("mx:example.org", at(1000), Duration(10'000), at(50'000));
  REQUIRE(changed.ok());
  CHECK(*changed == 2);
  REQUIRE(store->commit().ok());
  auto due = store.due("mx:example.org", at(60'000), 10);
  REQUIRE(due.rows.size() == 3);
  CHECK(due.rows[0].recipient.next_attempt_at == at(100));
  CHECK(due.rows[1].recipient.next_attempt_at == at(1000));
  CHECK(due.rows[2].recipient.next_attempt_at == at(50'000));
  // And it goes on behind any of them.
  StoreCursor after{at(100), mail::QueueId{1}, 2};
  CHECK(store.due("mx:example.org", at(60'000), 10, after).rows.size() == 2);
}

TEST_CASE("a page of values ends where it grows too large, and goes on behind that") {
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  const std::string large(3U << 20, 'x');
  for (std::uint64_t id = 1; id <= 7; ++id) {
    CompactMessages::Insert one{mail::QueueId{id}, 1, large};
    REQUIRE(store->begin().ok());
    REQUIRE(store->compact().insert({&one, 1}).ok());
    REQUIRE(store->commit().ok());
  }
  std::vector<std::uint64_t> seen;
  mail::QueueId after;
  for (int pages = 0;; ++pages) {
    REQUIRE(pages < 10);
    auto page = store->compact().page(after, mail::QueueId{6}, 100);
    REQUIRE(page.ok());
    for (const auto& value : page->values) seen.push_back(value.id.value);
    if (page->end) break;
    CHECK(page->values.size() * large.size() <= kCompactPageBytes + large.size());
    after = page->values.back().id;
  }
  CHECK(seen == std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6});
  CHECK(store->compact().page({}, mail::QueueId{7}, 1)->values.size() == 1);
  CHECK(*store->compact().first(mail::QueueId{3}, mail::QueueId{7}) == mail::QueueId{4});
  CHECK_FALSE(store->compact().first(mail::QueueId{7}, mail::QueueId{9})->has_value());
}

TEST_CASE("a recipient that is changed twice in one call is as the last change says") {
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  store.put(make_message(1, {"a@example.org", "b@example.org"}));
  RecipientChange first = greylisting(0, 5000);
  RecipientChange held;
  held.kind = ChangeKind::hold;
  RecipientChange second = greylisting(0, 7000);
  second.attempts = 2;
  RecipientChange gone = removal(1);
  const mail::QueueId id{1};
  const MessageRows::Change changes[] = {
      {id, &first}, {id, &gone}, {id, &held}, {id, &gone}, {id, &second}};
  REQUIRE(store->begin().ok());
  auto found = store->rows().change(changes);
  REQUIRE(found.ok());
  CHECK(*found == Flags{true, true, true, false, true});
  REQUIRE(store->commit().ok());
  auto message = store.message(1);
  REQUIRE(message->recipients.size() == 1);
  CHECK(message->recipients[0].state == RecipientState::waiting);
  CHECK(message->recipients[0].attempts == 2);
  CHECK(message->recipients[0].next_attempt_at == at(7000));
}
