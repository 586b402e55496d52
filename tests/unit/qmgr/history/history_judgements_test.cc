// What filters said of messages: kept with the arrival, of refused and of discarded messages too,
// forgotten with them; and nothing is written where no filter was asked.
#include <catch2/catch.hpp>

#include "common/ipc/judgements.h"

#include "qmgr/history/history_store.h"
#include "qmgr/store/decided.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

constexpr std::int64_t kEpochMs = 1577836800000;  // of queue ids: 2020-01-01

std::uint64_t queue_number(WallTime time) {
  return static_cast<std::uint64_t>(to_unix_ms(time) - kEpochMs) << 22;
}

std::string said_by(const std::string& filter) {
  ipc::FilterJudgement out;
  out.filter = filter;
  out.text = "554 5.7.1 Spam";
  return ipc::encode_judgements({out});
}

std::string filter_of(std::string_view judgements) {
  auto decoded = ipc::decode_judgements(judgements);
  REQUIRE(decoded);
  return decoded->list.empty() ? "" : decoded->list[0].filter;
}

struct Book {
  test::TempFolder folder;
  std::optional<HistoryStore> store;
  Book() { open(); }
  void open() {
    store.reset();
    auto opened = HistoryStore::open(folder.path() + "/history.db");
    REQUIRE(opened.ok());
    store.emplace(opened.take());
  }
  void write(const std::string& records) { REQUIRE(store->write(records, test::at(10)).ok()); }
  Timeline one(std::uint64_t id) {
    auto found = store->find(mail::QueueId{id}.text(), 2);
    REQUIRE(found.ok());
    REQUIRE(found->size() == 1);
    return found->front();
  }
  std::string rows() { return *store->database().ask("SELECT count(*) FROM judgement"); }
};

std::string came(std::uint64_t id, const std::string& judgements, std::int64_t discarded_at = 0) {
  NewMessage message = test::make_message(id, {"a@example.org", "b@example.org"});
  message.info.arrival.received_at = test::at(0);
  message.judgements = judgements;
  std::string out;
  append_record(out, message, "<m@example.com>", discarded_at,
                discarded_at != 0 ? "discarded by filter one" : "");
  return out;
}

}  // namespace

TEST_CASE("judgements are kept with their message, also by the next program, and go with it") {
  Book book;
  std::uint64_t id = queue_number(test::at(0));
  std::uint64_t other = id + 1;
  book.write(came(id, said_by("rspamd")) + came(other, {}));
  CHECK(filter_of(book.one(id).judgements) == "rspamd");
  CHECK(book.one(other).judgements.empty());
  CHECK(book.rows() == "1");
  book.open();
  CHECK(filter_of(book.one(id).judgements) == "rspamd");
  while (*book.store->prune(test::at(100), 100)) {
  }
  CHECK(book.rows() == "0");
}

TEST_CASE("an arrival of which no filter was asked costs one octet more, and no row") {
  std::uint64_t id = queue_number(test::at(0));
  std::string judged = came(id, said_by("rspamd"));
  std::string plain = came(id, {});
  // A length before each of the two texts, and when it was discarded: only where there is
  // something.
  CHECK(judged.size() == plain.size() + said_by("rspamd").size() + 4 + 8 + 4);
  Book book;
  book.write(plain);
  CHECK(book.rows() == "0");
}

TEST_CASE("a message that a filter discarded ends as one that the configuration discards") {
  Book book;
  std::uint64_t id = queue_number(test::at(0));
  book.write(came(id, said_by("one"), to_unix_ms(test::at(5))));
  Timeline found = book.one(id);
  CHECK(filter_of(found.judgements) == "one");
  REQUIRE(found.recipients.size() == 2);
  for (const TimelineRecipient& recipient : found.recipients) {
    REQUIRE(recipient.events.size() == 1);
    CHECK(recipient.events[0].host == kDiscardHost);
    CHECK(recipient.events[0].why == "discarded by filter one");
    CHECK(recipient.events[0].at == test::at(5));
  }
}

TEST_CASE("who tells of a discarded message changes nothing of a message that is known") {
  Book book;
  std::uint64_t id = queue_number(test::at(0));
  book.write(came(id, said_by("true")));
  book.write(came(id, said_by("forged"), to_unix_ms(test::at(5))));
  Timeline found = book.one(id);
  CHECK(filter_of(found.judgements) == "true");
  for (const TimelineRecipient& recipient : found.recipients) CHECK(recipient.events.empty());
}

TEST_CASE("of mail that is judged after its arrival the last word is kept, of unknown mail none") {
  Book book;
  std::uint64_t id = queue_number(test::at(0));
  std::string later;
  append_record(later, JudgementsRecord{mail::QueueId{id + 1}, said_by("nobody")});
  std::string first = said_by("first");
  append_record(later, JudgementsRecord{mail::QueueId{id}, first});
  std::string last = said_by("last");
  append_record(later, JudgementsRecord{mail::QueueId{id}, last});
  book.write(came(id, {}) + later);
  CHECK(filter_of(book.one(id).judgements) == "last");
  CHECK(book.rows() == "1");
  // Its second arrival, as the filters have left it, takes nothing away.
  book.write(came(id, {}));
  CHECK(filter_of(book.one(id).judgements) == "last");
}

TEST_CASE("a refused attempt keeps what filters said of it") {
  Book book;
  RefusalRecord record;
  record.at = to_unix_ms(test::at(0));
  record.count = 1;
  record.client = "192.0.2.1";
  record.stage = "content";
  record.code = 554;
  const std::string judgements = said_by("clamav");
  record.judgements = judgements;
  std::string out;
  append_record(out, record);
  book.write(out);
  book.open();
  auto found = book.store->find_refusals("", "192.0.2.1", 5);
  REQUIRE(found.ok());
  REQUIRE(found->size() == 1);
  CHECK(filter_of(found->front().judgements) == "clamav");
}
