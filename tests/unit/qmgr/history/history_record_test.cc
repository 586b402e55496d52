// The coding of what the history keeps, and that it keeps all kinds of it.
#include <catch2/catch.hpp>

#include "qmgr/history/history_record.h"
#include "qmgr/history/history_store.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;

TEST_CASE("numbers as ranges") {
  for (const auto& [numbers, text] :
       std::vector<std::pair<std::vector<std::uint32_t>, const char*>>{
           {{}, ""}, {{4}, "4"}, {{1, 2, 3}, "1-3"}, {{0, 2, 3, 9}, "0,2-3,9"}}) {
    CHECK(ranges_text(numbers) == text);
    CHECK(numbers_in(text) == numbers);
  }
  CHECK(numbers_in("1-2,x,5") == std::vector<std::uint32_t>{1, 2});  // a damaged row
  CHECK(numbers_in("5-1").empty());
  CHECK(numbers_in("0-4294967295").empty());
}

TEST_CASE("Message-ID and remote queue id are found in what strangers write") {
  CHECK(message_id_in("Received: x\r\n y\r\nMessage-ID: <a@b>\r\n\r\nbody") == "<a@b>");
  CHECK(message_id_in("MESSAGE-id :<a@b> \r\n\r\n") == "<a@b>");
  CHECK(message_id_in("Message-ID:\r\n <folded@b>\r\nTo: x\r\n\r\n") == "<folded@b>");
  CHECK(message_id_in("Subject: x\r\n\r\nMessage-ID: <body@b>\r\n").empty());
  CHECK(message_id_in("Message-ID-Other: <a@b>\r\n\r\n").empty());
  CHECK(message_id_in("").empty());
  CHECK(message_id_in("Message-ID: " + std::string(3000, 'a')).size() == kHistoryTextMax);

  CHECK(remote_queue_id("Ok: queued as 0CZW3PQ5G8S1T") == "0CZW3PQ5G8S1T");
  CHECK(remote_queue_id("Ok: queued as 4F.") == "4F");
  CHECK(remote_queue_id("OK id=1tABCD-000000-1a") == "1tABCD-000000-1a");
  CHECK(remote_queue_id("4ALx01 Message accepted for delivery") == "4ALx01");
  CHECK(remote_queue_id("<bob@x> +Zc1 Saved") == "+Zc1");
  CHECK(remote_queue_id("<m@x> [InternalId=77, Hostname=h] Queued mail for delivery") == "77");
  CHECK(remote_queue_id("stored").empty());
}

// The table refused one of them, `adopted`, and with it all that was written with it.
TEST_CASE("every kind of event is kept") {
  test::TempFolder folder;
  auto store = HistoryStore::open(folder.path() + "/history.db");
  REQUIRE(store.ok());
  const mail::QueueId id{4194304001};
  std::string records;
  append_record(records, test::make_message(id.value, {"a@example.org"}), "<m@example.com>");
  const int last = static_cast<int>(kLastHistoryKind);
  for (int kind = 0; kind <= last; ++kind) {
    EventRecord event;
    event.id = id;
    event.kind = static_cast<HistoryKind>(kind);
    event.at = to_unix_ms(test::at(100 + kind));
    append_record(records, event);
  }
  REQUIRE(store->write(records, test::at(200)).ok());
  auto messages = store->find(id.text(), 5);
  REQUIRE(messages.ok());
  REQUIRE(messages->size() == 1);
  const std::vector<TimelineEvent>& events = messages->front().recipients.at(0).events;
  REQUIRE(events.size() == static_cast<std::size_t>(last) + 1);
  for (int kind = 0; kind <= last; ++kind)
    CHECK(static_cast<int>(events[static_cast<std::size_t>(kind)].kind) == kind);
}
