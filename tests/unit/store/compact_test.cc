// Compact messages: one value in the store, until something else than a delivery happens to them.
#include <map>
#include <set>

#include <catch2/catch.hpp>

#include "qmgr/scheduling/overflow_list.h"
#include "qmgr/store/compact_record.h"
#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;
using test::Engine;
using test::removal;

namespace {

// Of SQLite's tables.
std::string rows_in(test::StoreUnderTest& store, const std::string& table) {
  return *store.database().ask("SELECT count(*) FROM " + table);
}

std::string octets_of(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return out;
}

}  // namespace

TEST_CASE("a message whose parts fit and whose whole is too large for one value becomes rows") {
  test::StoreUnderTest store(Engine::sqlite);
  test::AsCompact as_compact(true);
  NewMessage message = test::make_message(7, {});
  message.content.resize(1U << 19, 'x');
  message.info.size = message.content.size();
  for (int i = 0; i < 1000; ++i) {
    NewRecipient one;
    one.recipient.address =
        mail::Address(std::to_string(i) + std::string(900, 'a'), "x" + std::to_string(i) + ".org");
    one.recipient.orcpt = "rfc822;" + std::string(900, 'b');
    one.destination = "smtp:" + std::to_string(i) + std::string(1900, 'c');
    message.recipients.push_back(std::move(one));
  }
  store.put(message);
  CHECK(rows_in(store, "fresh") == "0");
  CHECK(rows_in(store, "message") == "1");
  CHECK(rows_in(store, "recipient") == "1000");
}

TEST_CASE("a message is one value only where every engine could have it as rows") {
  struct {
    std::size_t destination;
    bool fits;
  } rows[] = {{2000, true}, {2001, false}, {0, false}};
  for (const auto& row : rows) {
    CAPTURE(row.destination);
    NewMessage message = test::make_message(7, {"a@x.org"});
    message.recipients[0].destination = std::string(row.destination, 'd');
    CHECK(fits_one_value(message, message.content) == row.fits);
  }
}

TEST_CASE("a fresh message is one row until something else than deliveries happens to it") {
  test::StoreUnderTest store(Engine::sqlite);
  test::AsCompact as_compact(true);
  NewMessage message = test::make_message(7, {"a@x.org", "b@x.org", "c@x.org", "d@x.org"});
  message.recipients[1].recipient.orcpt = "rfc822;b@x.org";
  message.recipients[3].destination = "smtp:relay:25";
  store.put(message);
  CHECK(rows_in(store, "fresh") == "1");
  CHECK(rows_in(store, "message") == "0");
  CHECK(store.due("mx:example.org", test::at(1000), 10).rows.empty());
  auto fresh = store.reader().compact_summaries({}, 10);
  REQUIRE(fresh->size() == 1);
  CHECK(fresh->front().destinations == std::vector<std::string>{"mx:example.org", "smtp:relay:25"});

  // Deliveries to some: it stays one value; a repeated report changes nothing.
  for (int i = 0; i < 2; ++i) {
    Settlement some{message.info.id, {removal(0), removal(2)}, {}};
    Settled settled = store.settle(some);
    CHECK(settled.changed.size() == (i == 0 ? 2 : 0));
    CHECK_FALSE(settled.message_removed);
  }
  CHECK(rows_in(store, "fresh") == "1");
  auto left = store.message(7);
  REQUIRE(left->recipients.size() == 2);
  CHECK(left->recipients[0].index == 1);
  CHECK(left->recipients[0].recipient.orcpt == "rfc822;b@x.org");
  CHECK((**store.reader().compact(message.info.id)).message.recipients.size() == 2);

  // Put off: now it is rows, those that are left.
  RecipientChange later;
  later.index = 1;
  later.attempts = 1;
  later.destination = "mx:example.org";
  later.next_attempt_at = test::at(5000);
  (void)store.settle({message.info.id, {later}, {}});
  CHECK(rows_in(store, "fresh") == "0");
  CHECK(rows_in(store, "fresh_left") == "0");
  CHECK(rows_in(store, "message") == "1");
  CHECK(rows_in(store, "recipient") == "2");
  CHECK(store.due("smtp:relay:25", test::at(1000), 10).rows.size() == 1);
  CHECK(store.content(7) == message.content);
  CHECK_FALSE(store.is_compact(7));
  Settlement rest{message.info.id, {removal(1), removal(3)}, {}};
  CHECK(store.settle(rest).message_removed);
  CHECK(rows_in(store, "content") == "0");
}

TEST_CASE("a fresh message goes whole, or with the last of its recipients") {
  test::StoreUnderTest store(Engine::sqlite);
  test::AsCompact as_compact(true);
  store.put(test::make_message(1, {"a@x.org", "b@x.org"}));
  store.put(test::make_message(2, {"a@x.org", "b@x.org"}));
  Settlement whole{mail::QueueId{1}, {removal(1), removal(0)}, {}};
  whole.maybe_all = whole.is_compact = true;
  whole.in_file = true;
  Settled settled = store.settle(whole);
  CHECK(settled.message_removed);
  CHECK(settled.content_file_removed);
  // Believed to be all, and is not.
  Settlement not_all{mail::QueueId{2}, {removal(0)}, {}};
  not_all.maybe_all = not_all.is_compact = true;
  CHECK_FALSE(store.settle(not_all).message_removed);
  Settlement last{mail::QueueId{2}, {removal(1)}, {}};
  last.maybe_all = last.is_compact = true;
  CHECK(store.settle(last).message_removed);
  for (const char* table : {"fresh", "fresh_left", "message", "recipient", "content"})
    CHECK(rows_in(store, table) == "0");
}

TEST_CASE("fresh messages and others are listed, skimmed and counted together, in order") {
  test::StoreUnderTest store(Engine::sqlite);
  for (std::uint64_t id = 1; id <= 40; ++id) {
    test::AsCompact as_compact(id % 3 != 0);
    store.put(test::make_message(id, {"a@x.org", "b" + std::to_string(id) + "@x.org"}));
  }
  std::size_t max_messages = GENERATE(1, 2, 7, 100);
  std::size_t max_recipients = GENERATE(1, 3, 100);
  std::vector<std::string> seen;
  ListCursor at;
  for (int pages = 0; pages < 200; ++pages) {
    auto page = store.walk().list(at, mail::QueueId{40}, max_messages, max_recipients);
    REQUIRE(page.ok());
    for (const StoredMessage& m : page->parts)
      for (const StoredRecipient& r : m.recipients)
        seen.push_back(std::to_string(m.info.id.value) + " " + r.recipient.address.text());
    at = page->next;
    if (page->end) break;
  }
  REQUIRE(seen.size() == 80);
  CHECK(seen[1] == "1 b1@x.org");
  CHECK(seen[79] == "40 b40@x.org");
  CHECK(std::set<std::string>(seen.begin(), seen.end()).size() == 80);

  // Whoever is asked for is among those that may be meant.
  for (std::uint64_t wanted : {20, 21}) {
    mail::QueueId after;
    bool found = false;
    for (int i = 0; i < 200 && !found; ++i) {
      auto may = store.walk().skim_recipients(
          after, mail::QueueId{40}, 5,
          [&](std::string_view a) { return a == "b" + std::to_string(wanted) + "@x.org"; },
          [](RecipientState, std::uint32_t) { return true; });
      REQUIRE(may.ok());
      found = *may && after.value == wanted - 1;
      if (*may && !found) after = mail::QueueId{after.value + 1};
      if (!*may && after.value >= 40) break;
    }
    CHECK(found);
  }
  Counts counts;
  for (mail::QueueId cursor;;) {
    auto end = store.walk().count(cursor, mail::QueueId{40}, max_messages, counts);
    REQUIRE(end.ok());
    if (!*end) break;
    cursor = **end;
  }
  CHECK(counts.messages == 40);
  CHECK(counts.recipients() == 80);
  CHECK(store->scan().first_id()->value == 1);
  CHECK(store->scan().last_id()->value == 40);
}

TEST_CASE("unpacked, everything is found by destination, due now at the latest") {
  test::StoreUnderTest store(Engine::sqlite);
  {
    test::AsCompact as_compact(true);
    std::vector<NewMessage> many;
    for (std::uint64_t id = 1; id <= 1200; ++id)
      many.push_back(test::make_message(id, {"a@x.org"}));
    store.put_all(std::move(many), test::at(9000));
  }
  auto normalise = [&](std::uint64_t id) {
    Settlement settlement{mail::QueueId{id}, {}, {}};
    settlement.normalise_due = test::at(100);
    CHECK(store.settle(settlement).changed.empty());
  };
  normalise(3);
  CHECK(store.due("mx:example.org", test::at(100), 2000).rows.size() == 1);
  REQUIRE(store.writer().normalise_all().ok());
  CHECK(rows_in(store, "fresh") == "0");
  CHECK(rows_in(store, "recipient") == "1200");
  CHECK(store.due("mx:example.org", test::at(9000), 2000).rows.size() == 1200);
  normalise(1);  // nothing to be done
  normalise(4711);
}

TEST_CASE("a compact record as version 1 wrote it is read by every later program") {
  // Never changed: a queue outlives the program that wrote it.
  constexpr std::string_view kHex =
      "010d00000073406578616d706c652e636f6d000001000003000000656e7600505c18a30100000700"
      "000045534d54505341090000003139322e302e322e370e000000636c69656e742e6578616d706c65"
      "04000000616e6e6115000000000000000000000105505c18a301000002000000070000006140782e"
      "6f72670000000000080000006d783a782e6f7267070000006240782e6f7267030000000000000000"
      "5375626a6563743a20780d0a0d0a68656c6c6f0d0a";
  std::string data = octets_of(kHex);
  auto record = decode_compact(mail::QueueId{9}, data);
  REQUIRE(record);
  const NewMessage& m = record->message;
  CHECK(m.info.envelope.reverse_path.text() == "s@example.com");
  CHECK(m.info.envelope.envid == "env");
  CHECK(m.info.envelope.require_tls);
  CHECK(m.info.arrival.account == "anna");
  CHECK(m.info.arrival.received_at == test::at(0));
  CHECK(m.info.traffic_class == TrafficClass::bulk);
  CHECK(record->due == test::at(5));
  REQUIRE(m.recipients.size() == 2);
  CHECK(m.recipients[1].recipient.address.text() == "b@x.org");
  CHECK(m.recipients[1].recipient.notify.bits == 3);
  CHECK(m.recipients[1].destination == "mx:x.org");
  CHECK(record->content == "Subject: x\r\n\r\nhello\r\n");
  CHECK(m.info.header_size == 0);
  // Whatever is cut off, it is refused or short of content, and nothing worse.
  for (std::size_t size = 0; size < data.size(); ++size) {
    auto cut = decode_compact(mail::QueueId{9}, std::string_view(data).substr(0, size));
    if (cut) CHECK(cut->content.size() < record->content.size());
  }
}

TEST_CASE("a compact record as version 2 wrote it is read by every later program") {
  // Never changed, either. Its body lies in a file, and its header section here.
  constexpr std::string_view kHex =
      "02010d00000073406578616d706c652e636f6d000001000003000000656e7600505c18a30100000700"
      "000045534d54505341090000003139322e302e322e370e000000636c69656e742e6578616d706c65"
      "04000000616e6e61400d03000000000000010e0000000001"
      "05505c18a301000002000000070000006140782e"
      "6f72670000000000080000006d783a782e6f7267070000006240782e6f7267030000000000000000"
      "5375626a6563743a20780d0a0d0a";
  std::string data = octets_of(kHex);
  auto record = decode_compact(mail::QueueId{9}, data);
  REQUIRE(record);
  const MessageInfo& info = record->message.info;
  CHECK(info.in_file);
  CHECK(info.size == 200000);
  CHECK(info.header_size == 14);
  CHECK(info.stored_size() == 14);
  CHECK(info.size_of_file() == 199986);
  CHECK(info.traffic_class == TrafficClass::bulk);
  CHECK(record->content == "Subject: x\r\n\r\n");
  // It knew of nothing that signs.
  CHECK(info.envelope.sign == mail::Signing::none);
  std::string again;
  for (auto sign : {mail::Signing::none, mail::Signing::dkim, mail::Signing::arc}) {
    NewMessage message = record->message;
    message.info.envelope.sign = sign;
    encode_compact(again, message, record->due, record->content);
    std::string now = data;
    now[1] = '\x02';
    now.insert(2 + 4 + 13 + 5 + 4 + 3, 1, static_cast<char>(sign));
    CHECK(again == now);
    auto back = decode_compact(mail::QueueId{9}, again);
    REQUIRE(back);
    CHECK(back->message.info.envelope.sign == sign);
  }
  // A header section that is larger than its content, or that lies apart from no file, is damage.
  std::size_t in_file = data.find(std::string("\x0e\0\0\0\0\x01", 6)) - 1;
  for (auto [at, octet] : {std::pair{in_file, '\0'}, std::pair{in_file + 4, '\x01'}}) {
    std::string damaged = data;
    damaged[at] = octet;
    CHECK_FALSE(decode_compact(mail::QueueId{9}, damaged));
  }
}

TEST_CASE("the overflow list keeps the order, and gives back to the front") {
  OverflowList backlog;
  for (std::uint64_t id = 1; id <= 5; ++id) REQUIRE(backlog.add("mx:a", {mail::QueueId{id}, 10}));
  REQUIRE(backlog.add("mx:b", {mail::QueueId{9}, 1}));
  CHECK(backlog.size() == 6);
  auto some = backlog.take("mx:a", 25);
  REQUIRE(some.size() == 3);  // ten more would not be enough
  CHECK(some[0].id.value == 1);
  CHECK(backlog.size() == 3);
  backlog.give_back("mx:a", {some[1], some[2]});
  CHECK(backlog.take("mx:a", 1).front().id.value == 2);
  CHECK(backlog.take("mx:a", 1000).size() == 3);
  CHECK_FALSE(backlog.waits("mx:a"));
  CHECK(backlog.take("mx:a", 1000).empty());
  CHECK(backlog.waits("mx:b"));
  std::uint64_t id = 100;
  while (backlog.add("mx:c", {mail::QueueId{id}, 1})) ++id;
  CHECK(backlog.size() == kOverflowMax);
}
