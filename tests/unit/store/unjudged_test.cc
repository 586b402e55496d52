// Messages whose filters are still to be asked (qmgr/model/unjudged.h), and what takes their place.
#include <catch2/catch.hpp>

#include "qmgr/model/unjudged.h"
#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;
using test::at;
using test::make_message;
using test::removal;

namespace {

NewMessage unjudged(std::uint64_t id) {
  return make_message(id, {"a@x.org", "b@x.org"}, std::string(kUnjudged));
}

// What filters have made of the message 5.
NewMessage judged(std::uint64_t id) {
  NewMessage message = make_message(id, {"a@x.org", "new@y.org"});
  message.content = "X-New: 1\r\n\r\nother\r\n";
  message.info.size = message.content.size();
  message.judged = JudgedMessage{mail::QueueId{5}, {{0, false}, {1, false}}};
  return message;
}

}  // namespace

TEST_CASE("an unjudged message is found where no next hop is, also after a restart") {
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  store.put(unjudged(5), at(10));
  store.reopen();
  CHECK(store.due(std::string(kUnjudged), at(9), 10).rows.empty());
  DuePage due = store.due(std::string(kUnjudged), at(10), 10);
  REQUIRE(due.rows.size() == 2);
  CHECK(due.rows[0].message == mail::QueueId{5});
  auto message = store.message(5);
  REQUIRE(message);
  CHECK(is_unjudged(*message));
}

TEST_CASE("what filters have made of a message takes its place in one commit") {
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  std::uint64_t id = GENERATE(5, 6);
  store.put(unjudged(5));
  NewMessage message = judged(id);
  message.is_compact = GENERATE(false, true);
  CHECK(store.put(message) == AcceptEnd::stored);
  store.reopen();
  auto stored = store.message(id);
  REQUIRE(stored);
  REQUIRE(stored->recipients.size() == 2);
  CHECK(stored->recipients[1].recipient.address.text() == "new@y.org");
  CHECK_FALSE(is_unjudged(*stored));
  CHECK(store.content(id) == message.content);
  CHECK(store.due(std::string(kUnjudged), at(10), 10).rows.empty());
  if (id != 5) CHECK_FALSE(store.message(5));
  // Once only.
  CHECK(store.put(message) == AcceptEnd::conflict);
}

TEST_CASE("a message that an operator has changed meanwhile stays as it is") {
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  store.put(unjudged(5));
  SECTION("held") {
    RecipientChange change;
    change.kind = ChangeKind::hold;
    change.destination = kUnjudged;
    store.settle(Settlement{mail::QueueId{5}, {change}, {}});
  }
  SECTION("a recipient cancelled") {
    store.settle(Settlement{mail::QueueId{5}, {removal(1)}, {}});
  }
  auto before = store.message(5);
  CHECK(store.put(judged(5)) == AcceptEnd::conflict);
  CHECK(store.put(judged(6)) == AcceptEnd::conflict);
  CHECK_FALSE(store.message(6));
  auto after = store.message(5);
  REQUIRE(before);
  REQUIRE(after);
  CHECK(after->recipients.size() == before->recipients.size());
  CHECK(is_unjudged(*after));
}

TEST_CASE("a message that comes once more is known, whatever filters have made of it") {
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  store.put(unjudged(5));
  CHECK(store.put(unjudged(5)) == AcceptEnd::duplicate);
  CHECK(store.put(judged(5)) == AcceptEnd::stored);
  CHECK(store.put(unjudged(5)) == AcceptEnd::duplicate);
}
