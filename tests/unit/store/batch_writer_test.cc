// One batch of many requests: each is answered for itself, and a failure of the store leaves
// nothing of what it did not answer.
#include <catch2/catch.hpp>

#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;
using test::at;
using test::make_message;
using test::removal;

namespace {

void add(Batch& batch, NewMessage message) {
  batch.accepts.push_back(std::make_unique<AcceptRequest>());
  batch.accepts.back()->submission.message = std::move(message);
  batch.accepts.back()->due = at(0);
}

void add(Batch& batch, Settlement settlement) {
  batch.settles.push_back(std::make_unique<SettleRequest>());
  batch.settles.back()->settlement = std::move(settlement);
}

RecipientChange deferral_of(std::uint32_t index) {
  RecipientChange change;
  change.index = index;
  change.destination = "mx:example.org";
  change.attempts = 1;
  change.next_attempt_at = at(5000);
  return change;
}

NoticeOrder notice_about(std::uint64_t id, std::uint64_t original, std::uint32_t index) {
  NoticeOrder order;
  order.request.id = mail::QueueId{id};
  order.request.original_id = mail::QueueId{original};
  order.request.to = mail::Address::from_text("sender@example.com");
  order.request.hostname = "mx.test";
  order.request.now = at(10);
  order.request.original_size = 60;
  order.indices = {index};
  order.request.recipients.resize(1);
  order.request.recipients[0].recipient.address = mail::Address::from_text("a@example.org");
  order.request.recipients[0].reply = {550, {5, 1, 1}, "no such user"};
  order.recipients.push_back({{order.request.to, {}, {}}, "mx:example.com"});
  return order;
}

}  // namespace

TEST_CASE("several outcomes of one message in one batch end it with the last of them") {
  test::AsCompact as_compact(GENERATE(false, true));
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  store.put(make_message(5, {"a@x.org", "b@x.org", "c@x.org"}));
  Batch batch;
  add(batch, Settlement{mail::QueueId{5}, {removal(1)}, {}});
  add(batch, Settlement{mail::QueueId{5}, {removal(0), removal(1)}, {}});
  Settlement last{mail::QueueId{5}, {removal(2)}, {}};
  last.maybe_all = last.is_compact = true;
  add(batch, last);
  Batch written = store.write(std::move(batch));
  CHECK(written.settles[0]->settled.changed == std::vector<std::uint32_t>{1});
  CHECK(written.settles[1]->settled.changed == std::vector<std::uint32_t>{0});
  CHECK(written.settles[2]->settled.changed == std::vector<std::uint32_t>{2});
  CHECK_FALSE(written.settles[0]->settled.message_removed);
  CHECK_FALSE(written.settles[1]->settled.message_removed);
  CHECK(written.settles[2]->settled.message_removed);
  CHECK_FALSE(store.message(5).has_value());
}

TEST_CASE("a deferral and a delivery of one message may stand in one batch") {
  test::AsCompact as_compact(GENERATE(false, true));
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  store.put(make_message(5, {"a@x.org", "b@x.org", "c@x.org"}));
  Batch batch;
  add(batch, Settlement{mail::QueueId{5}, {removal(2)}, {}});
  add(batch, Settlement{mail::QueueId{5}, {deferral_of(0)}, {}});
  add(batch, Settlement{mail::QueueId{5}, {removal(1)}, {}});
  Batch written = store.write(std::move(batch));
  for (const auto& request : written.settles) {
    CHECK(request->settled.changed.size() == 1);
    CHECK_FALSE(request->settled.message_removed);
  }
  auto left = store.message(5);
  REQUIRE(left.has_value());
  REQUIRE(left->recipients.size() == 1);
  CHECK(left->recipients[0].attempts == 1);
  CHECK_FALSE(store.is_compact(5));
}

TEST_CASE("one id twice in one batch is stored once") {
  test::AsCompact as_compact(GENERATE(false, true));
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  Batch batch;
  add(batch, make_message(5, {"a@x.org"}));
  add(batch, make_message(5, {"a@x.org"}));
  NewMessage other = make_message(5, {"b@x.org"});
  other.info.size += 1;
  add(batch, other);
  Batch written = store.write(std::move(batch));
  CHECK(written.accepts[0]->end == AcceptEnd::stored);
  CHECK(written.accepts[1]->end == AcceptEnd::duplicate);
  CHECK(written.accepts[2]->end == AcceptEnd::conflict);
}

TEST_CASE("a submission is stored with its parts and notices, or nothing of it is") {
  test::AsCompact as_compact(GENERATE(false, true));
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  Submission whole{make_message(1, {"a@x.org"}), {make_message(2, {"b@x.org"})}, {}, {}};
  whole.parts[0].content.clear();  // a part has the content of the message
  whole.notices.push_back(notice_about(3, 1, 0));
  AcceptRequest stored = store.put(whole);
  CHECK(stored.end == AcceptEnd::stored);
  REQUIRE(stored.submission.written.size() == 1);
  CHECK(store.content(2) == whole.message.content);
  CHECK(store.content(3) == stored.submission.written[0].content);
  CHECK(store.content(3)->find("Subject: test") != std::string::npos);

  // The id of its part is taken: nothing of it stays, and the others of its batch do.
  Submission broken{make_message(11, {"a@x.org"}), {make_message(2, {"b@x.org"})}, {}, {}};
  Batch batch;
  add(batch, make_message(10, {"a@x.org"}));
  batch.accepts.push_back(std::make_unique<AcceptRequest>());
  batch.accepts.back()->submission = broken;
  add(batch, make_message(12, {"a@x.org"}));
  Batch written = store.write(std::move(batch));
  CHECK(written.accepts[0]->end == AcceptEnd::stored);
  CHECK(written.accepts[1]->end == AcceptEnd::failed);
  CHECK(written.accepts[1]->error.find("exists already") != std::string::npos);
  CHECK(written.accepts[2]->end == AcceptEnd::stored);
  CHECK_FALSE(store.message(11).has_value());
  CHECK(store.message(12).has_value());
}

TEST_CASE("a settlement that is refused does not keep the others of its batch from theirs") {
  test::AsCompact as_compact(GENERATE(false, true));
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  for (std::uint64_t id = 1; id <= 9; ++id) store.put(make_message(id, {"a@x.org"}));
  store.put(make_message(100, {"taken@x.org"}));
  std::size_t refused = GENERATE(0, 4, 8);
  Batch batch;
  for (std::uint64_t id = 1; id <= 9; ++id) {
    std::uint64_t notice = id - 1 == refused ? 100 : 200 + id;
    add(batch, Settlement{mail::QueueId{id}, {removal(0)}, {notice_about(notice, id, 0)}});
  }
  add(batch, make_message(50, {"a@x.org"}));
  Batch written = store.write(std::move(batch));
  REQUIRE(written.settles.size() == 9);
  for (std::size_t i = 0; i < 9; ++i) {
    bool is_refused = i == refused;
    CHECK(written.settles[i]->settlement.id.value == i + 1);
    CHECK(written.settles[i]->error.empty() != is_refused);
    CHECK(written.settles[i]->settled.notices.size() == (is_refused ? 0 : 1));
    CHECK(store.message(i + 1).has_value() == is_refused);
    CHECK(store.message(201 + i).has_value() != is_refused);
  }
  CHECK(store.message(50).has_value());
}

TEST_CASE("after a failure of the store nothing is written and everything can be written again") {
  auto state = std::make_shared<test::MemoryState>();
  test::MemoryStore store(state);
  BatchWriter writer(store, nullptr);
  auto kind = GENERATE(StoreError::Kind::full, StoreError::Kind::broken);
  Batch batch;
  add(batch, make_message(1, {"a@x.org"}));
  add(batch, make_message(2, {"a@x.org"}));
  store.fail_commits(kind);
  Batch written;
  StoreStatus done = writer.write(batch, written);
  REQUIRE_FALSE(done.ok());
  CHECK(done.error().kind == kind);
  CHECK(written.empty());
  CHECK(batch.accepts.size() == 2);
  CHECK(state->messages.empty());
  store.fail_commits(std::nullopt);
  REQUIRE(writer.write(batch, written).ok());
  CHECK(batch.empty());
  CHECK(written.accepts.size() == 2);
  CHECK(state->messages.size() == 2);
}

TEST_CASE("a batch for which there is no room is not written in part") {
  auto state = std::make_shared<test::MemoryState>();
  test::MemoryStore store(state);
  BatchWriter writer(store, nullptr);
  Batch first;
  add(first, make_message(1, {"a@x.org"}));
  Batch done;
  REQUIRE(writer.write(first, done).ok());
  state->no_room = true;
  Batch batch;
  add(batch, Settlement{mail::QueueId{1}, {removal(0)}, {}});
  add(batch, make_message(7, {"b@x.org"}));
  Batch written;
  StoreStatus failed = writer.write(batch, written);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().kind == StoreError::Kind::full);
  CHECK(written.empty());
  CHECK(batch.size() == 2);
  CHECK(state->messages.count(mail::QueueId{1}) == 1);
}

TEST_CASE("a notice quotes a header section from the store and a body from its file as one") {
  test::AsCompact as_compact(GENERATE(false, true));
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  const std::string header = "Received: x\r\nSubject: quoted\r\n\r\n";
  const std::string body = "first line of the body\r\n";
  bool is_lost = GENERATE(false, true);  // the header section
  NewMessage message = make_message(5, {"a@example.org"});
  message.info.in_file = true;
  message.info.header_size = static_cast<std::uint32_t>(header.size());
  message.info.size = header.size() + body.size();
  message.content = is_lost ? header.substr(0, 13) : header;
  store.set_body(5, body);
  store.put(message);
  Settlement settlement{mail::QueueId{5}, {removal(0)}, {}};
  settlement.notices.push_back(notice_about(20, 5, 0));
  settlement.notices.back().request.ret = mail::DsnReturn::full;
  settlement.notices.back().request.original_size = message.info.size;
  Batch batch;
  Batch written;
  add(batch, std::move(settlement));
  BatchWriter writer(*store, [&](mail::QueueId id, std::size_t most) {
    CHECK(id.value == 5);
    return body.substr(0, most);
  });
  REQUIRE(writer.write(batch, written).ok());
  std::string notice = store.content(20).value();
  CHECK((notice.find(header + body) != std::string::npos) == !is_lost);
  // Without its header section the body would be read as one.
  CHECK((notice.find("first line") != std::string::npos) == !is_lost);
}

TEST_CASE("a transaction that may be done again is done again, a few times") {
  test::MemoryStore store(std::make_shared<test::MemoryState>());
  for (int failures : {1, 3, 4}) {
    CAPTURE(failures);
    store.fail_commits(StoreError::Kind::again, failures);
    Batch batch;
    add(batch, make_message(static_cast<std::uint64_t>(failures), {"a@example.org"}));
    Batch written;
    StoreStatus done = BatchWriter(store, nullptr).write(batch, written);
    CHECK(done.ok() == (failures < 4));
    CHECK(written.accepts.size() == (done ? 1U : 0U));
    CHECK(batch.accepts.size() == (done ? 0U : 1U));
    if (!done) CHECK(done.error().kind == StoreError::Kind::away);
    CHECK(store.state().messages.size() == (failures == 1 ? 1U : 2U));
  }
}
