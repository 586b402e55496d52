// Blocks of history: what is told comes back, each key finds its block, and whatever somebody else
// has put into the database ends in a value.
#include <catch2/catch.hpp>

#include <random>

#include "qmgr/history/block_series.h"
#include "qmgr/history/deflate.h"
#include "qmgr/history/timeline_builder.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using test::at;

namespace {

std::string arrival(std::uint64_t id, std::vector<std::string> recipients,
                    const std::string& sender = "sender@example.com") {
  std::string out;
  append_record(out, test::make_message(id, std::move(recipients), "mx:x", sender),
                "<m" + std::to_string(id) + "@example.com>");
  return out;
}

EventRecord event(std::uint64_t id, HistoryKind kind, std::int64_t ms, std::uint32_t index = 0) {
  EventRecord record;
  record.id = mail::QueueId{id};
  record.kind = kind;
  record.index = index;
  record.at = to_unix_ms(at(ms));
  return record;
}

std::string told(const EventRecord& record) {
  std::string out;
  append_record(out, record);
  return out;
}

std::string refusal(const std::string& client, const std::string& sender) {
  RefusalRecord record;
  record.at = to_unix_ms(at(1));
  record.client = client;
  record.sender = sender;
  record.recipient = "bob@example.org";
  record.code = 550;
  record.enhanced = {5, 7, 1};
  record.text = "no";
  std::string out;
  append_record(out, record);
  return out;
}

bool finds(const HistoryBlock& block, std::uint64_t key) {
  return matches(block.filter, probe_of(key));
}

std::vector<Timeline> found(const std::string& query, std::vector<std::string> newest_first,
                            const std::string& node = "a", std::size_t limit = 20) {
  HistoryQuery asked{query, {}, limit};
  MessagesMeant meant(asked);
  for (const std::string& records : newest_first) meant.look(records, node);
  TimelineBuilder builder(meant.ids());
  for (const std::string& records : newest_first) builder.look(records, node);
  return std::move(builder).timelines(query);
}

}  // namespace

TEST_CASE("a block gives its records back, and is found by every key in it") {
  EventRecord delivered = event(7, HistoryKind::delivered, 5);
  delivered.code = 250;
  delivered.text = "Ok: queued as 4F00";
  delivered.recipient = "Bob@Example.org";
  std::string records = arrival(7, {"bob@example.org", "eve@example.net"}) + told(delivered) +
                        refusal("192.0.2.9", "mallory@far.test");
  auto block = block_of(records);
  REQUIRE(block);
  CHECK(records_in(block->data) == records);
  for (std::uint64_t key :
       {key_of(mail::QueueId{7}), key_of_address("BOB@example.ORG"), key_of_remote_id("4F00"),
        key_of_address("eve@example.net"), key_of_address("sender@example.com"),
        key_of_message_id("m7@example.com"), key_of_client("192.0.2.9"),
        key_of_address("mallory@far.test")})
    CHECK(finds(*block, key));
  int others = 0;
  for (std::uint64_t id = 1000; id < 3000; ++id) others += finds(*block, key_of(mail::QueueId{id}));
  CHECK(others < 60);  // of 2,000
}

TEST_CASE("filters of many keys match few others") {
  std::vector<std::uint64_t> keys;
  for (std::uint64_t id = 1; id <= 1000; ++id) keys.push_back(key_of(mail::QueueId{id}));
  std::string filter = filter_of(keys);
  CHECK(filter.size() == 1500);
  for (std::uint64_t key : keys) REQUIRE(matches(filter, probe_of(key)));
  int others = 0;
  for (std::uint64_t id = 1001; id <= 101'000; ++id)
    others += matches(filter, probe_of(key_of(mail::QueueId{id})));
  CHECK(others > 100);  // else something is wrong with this test
  CHECK(others < 1500);
  std::vector<std::uint64_t> many(kFilterKeysMax * 2);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = key_of(mail::QueueId{i});
  CHECK(filter_of(many).size() <= kFilterOctetsMax);
  CHECK(matches(filter_of(many), probe_of(many.back())));
  CHECK_FALSE(matches({}, probe_of(1)));
  CHECK(filter_of({}).size() == 2);
}

TEST_CASE("what is no block is not read") {
  std::string records = arrival(7, {"bob@example.org"});
  std::string data = block_of(records)->data;
  CHECK_FALSE(records_in({}));
  std::string later = data;
  later.front() = kBlockVersion + 1;
  CHECK_FALSE(records_in(later));
  for (std::size_t i = 0; i < data.size(); ++i)
    CHECK_FALSE(records_in(std::string_view(data).substr(0, i)));
  CHECK_FALSE(records_in(data + "x"));
  CHECK_FALSE(records_in(kBlockVersion + std::string(1000, '\xff')));
  // A few octets that stand for many.
  CHECK_FALSE(records_in(kBlockVersion + deflated(std::string(kBlockRecordsMax + 1, 'x'))));
  CHECK(records_in(kBlockVersion + deflated(std::string(kBlockRecordsMax, 'x'))));
}

TEST_CASE("broken records end what is read of a block, and harm nobody") {
  std::string good = arrival(7, {"bob@example.org"}) + told(event(7, HistoryKind::deferred, 5));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string_view part = std::string_view(good).substr(0, i);
    (void)keys_of(part);
    (void)pieces_of(part);
    (void)found(mail::QueueId{7}.text(), {std::string(part)});
  }
  std::minstd_rand random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bad = good;
    for (int n = 0; n < 3; ++n) bad[random() % bad.size()] = static_cast<char>(random());
    (void)keys_of(bad);
    (void)pieces_of(bad);
    (void)found("bob@example.org", {bad});
    (void)found(mail::QueueId{7}.text(), {bad});
  }
  // A kind that this program does not know: what came before it counts.
  CHECK(found("bob@example.org", {good + std::string("\x09more", 5)}).size() == 1);
  // A count of recipients that lies.
  std::string lies = arrival(7, {});
  lies.replace(lies.size() - 4, 4, "\xff\xff\xff\x7f");
  CHECK(keys_of(lies).empty());
}

TEST_CASE("records are cut into pieces between them") {
  std::string records;
  for (std::uint64_t id = 1; id <= 1000; ++id) records += arrival(id, {"bob@example.org"});
  auto pieces = pieces_of(records);
  REQUIRE(pieces.size() == (records.size() + kBlockRecords - 1) / kBlockRecords);
  std::string joined;
  for (std::string_view piece : pieces) {
    CHECK(piece.size() <= kBlockRecords);
    joined += piece;
  }
  CHECK(joined == records);
  // One that is larger is a piece of its own; what no block takes is left out.
  std::vector<std::string> thousand(1000, std::string(100, 'x') + "@example.org");
  std::string large = arrival(5, thousand);
  REQUIRE(large.size() > kBlockRecords);
  std::string small = arrival(6, {"bob@example.org"});
  CHECK(pieces_of(small + large + small) == std::vector<std::string_view>{small, large, small});
  std::vector<std::string> longest(1000, std::string(2000, 'x') + "@example.org");
  std::string too_large = arrival(5, longest);
  CHECK(pieces_of(small + too_large + small) == std::vector<std::string_view>{small, small});
}

TEST_CASE("timelines are put together from what nodes tell") {
  EventRecord deferred = event(7, HistoryKind::deferred, 20);
  deferred.code = 450;
  deferred.text = "later";
  std::string first = arrival(7, {"bob@example.org", "eve@example.org"}, "alice@a.test") +
                      arrival(8, {"carol@example.org"}) + told(deferred);
  EventRecord delivered = event(7, HistoryKind::delivered, 30, 1);
  delivered.text = "id=1tABCD";
  std::string second = told(event(8, HistoryKind::delivered, 25)) + told(delivered);
  for (const char* query : {"alice@a.test", "<m7@example.com>", "1tABCD", "0000000000007"}) {
    CAPTURE(query);
    auto all = found(query, {second, first});
    REQUIRE(all.size() == 1);
    CHECK(all[0].id == mail::QueueId{7});
    CHECK(all[0].known);
    CHECK(all[0].node == "a");
    REQUIRE(all[0].recipients.size() == 2);
    REQUIRE(all[0].recipients[0].events.size() == 1);
    CHECK(all[0].recipients[0].events[0].reply == "450 later");
    CHECK(all[0].recipients[0].events[0].node == "a");
    REQUIRE(all[0].recipients[1].events.size() == 1);
    CHECK(all[0].recipients[1].events[0].kind == HistoryKind::delivered);
  }
  auto eve = found("EVE@example.org", {second, first});
  REQUIRE(eve.size() == 1);
  REQUIRE(eve[0].recipients.size() == 1);
  CHECK(eve[0].recipients[0].address == "eve@example.org");
  CHECK(found("nobody@example.org", {second, first}).empty());
  CHECK(found("", {second, first}).empty());
}

TEST_CASE("of a message whose arrival is not known, what is known is told") {
  EventRecord record = event(7, HistoryKind::deferred, 20, 3);
  record.recipient = "bob@example.org";
  record.destination = "mx:x";
  auto all = found("bob@example.org", {told(record)}, "");
  REQUIRE(all.size() == 1);
  CHECK_FALSE(all[0].known);
  REQUIRE(all[0].recipients.size() == 1);
  CHECK(all[0].recipients[0].index == 3);
  CHECK(all[0].recipients[0].events.size() == 1);
}

TEST_CASE("what one asks for is bounded, and the newest count") {
  std::string records;
  for (std::uint64_t id = 1; id <= 300; ++id) records += arrival(id, {"bob@example.org"});
  auto ten = found("bob@example.org", {records}, "a", 10);
  REQUIRE(ten.size() == 10);
  CHECK(ten.front().id == mail::QueueId{300});
  CHECK(ten.back().id == mail::QueueId{291});
  CHECK(found("bob@example.org", {records}, "a", 1000).size() == kMeantMost);
  std::string refused;
  for (int i = 0; i < 1500; ++i) refused += refusal("192.0.2.9", "mallory@far.test");
  HistoryQuery asked{{}, "192.0.2.9", 20};
  MessagesMeant meant(asked);
  meant.look(refused, "a");
  CHECK(meant.ids().empty());
  auto all = std::move(meant).refused();
  REQUIRE(all.size() == kRefusalsMost);
  CHECK(all[0].reply == "550 5.7.1 no");
  CHECK(all[0].node == "a");
}

TEST_CASE("parts of a message are found by its id") {
  NewMessage part = test::make_message(9, {"bob@example.org"});
  part.part_of = mail::QueueId{7};
  std::string records = arrival(7, {"list@example.org"});
  append_record(records, part, "<m@x>");
  auto all = found(mail::QueueId{7}.text(), {told(event(9, HistoryKind::delivered, 9)), records});
  REQUIRE(all.size() == 2);
  CHECK(all[0].id == mail::QueueId{9});
  CHECK(all[0].recipients[0].events.size() == 1);
}

// --- what several sources know of one message
// ------------------------------------------------------

TEST_CASE("timelines of several nodes become one, in the order of time") {
  std::string of_a = arrival(7, {"bob@example.org"}) + told(event(7, HistoryKind::deferred, 10));
  EventRecord adopted = event(7, HistoryKind::adopted, 20);
  adopted.recipient = "bob@example.org";
  std::string of_b = told(adopted) + told(event(7, HistoryKind::delivered, 30));
  auto own = found("bob@example.org", {of_b}, "");
  auto others = found("bob@example.org", {of_a}, "a");
  // What this node has told itself is there twice.
  add_to(others, found("bob@example.org", {of_b}, ""), 20);
  add_to(own, std::move(others), 20);
  REQUIRE(own.size() == 1);
  CHECK(own[0].known);
  CHECK(own[0].node == "a");
  REQUIRE(own[0].recipients.size() == 1);
  const auto& events = own[0].recipients[0].events;
  REQUIRE(events.size() == 3);
  CHECK(events[0].node == "a");
  CHECK(events[1].kind == HistoryKind::adopted);
  CHECK(events[1].node.empty());
  CHECK(events[2].kind == HistoryKind::delivered);
}

TEST_CASE("what others tell is put beside one's own, newest first and no more than is wanted") {
  auto own = found("bob@example.org", {arrival(5, {"bob@example.org"})}, "");
  auto others = found("bob@example.org",
                      {arrival(4, {"bob@example.org"}) + arrival(6, {"bob@example.org"})}, "a");
  add_to(own, std::move(others), 2);
  REQUIRE(own.size() == 2);
  CHECK(own[0].id == mail::QueueId{6});
  CHECK(own[1].id == mail::QueueId{5});
  RefusedAttempt one;
  one.at = at(5);
  RefusedAttempt other = one;
  other.node = "a";
  RefusedAttempt later = other;
  later.at = at(6);
  std::vector<RefusedAttempt> refused{one};
  add_to(refused, {other, later}, 20);
  REQUIRE(refused.size() == 2);
  CHECK(refused[0].at == at(6));
}

// --- the series of blocks
// ---------------------------------------------------------------------------

TEST_CASE("small blocks become one when they fill it, or are many") {
  BlockSeries series;
  series.restore({{3, 100, 50}, {4, 200, 60}});
  const std::string small(10'000, 'x');
  for (int i = 0; i < 6; ++i) {
    auto order = series.next(small);
    CHECK(order.number == 5 + i);
    CHECK(order.replaces == 0);
    CHECK(order.records == small);
    series.done(order, 300, 10);
  }
  CHECK(series.blocks() == 8);
  auto whole = series.next(small);
  CHECK(whole.replaces == 5);
  CHECK(whole.records.size() == 70'000);
  series.done(whole, 310, 100);
  CHECK(series.blocks() == 3);
  CHECK(series.octets() == 210);
  for (std::size_t i = 0; i < kSmallBlocks; ++i) {
    auto order = series.next("x");
    CHECK(order.replaces == 0);
    series.done(order, 320, 1);
  }
  CHECK(series.next("x").replaces == whole.number + 1);
}

TEST_CASE("what fills a block by itself replaces nothing, and a failure ends what was small") {
  BlockSeries series;
  const std::string full(kBlockRecords - 100, 'x');
  for (int i = 0; i < 3; ++i) {
    auto order = series.next(full);
    CHECK(order.replaces == 0);
    series.done(order, 1, 10);
  }
  auto small = series.next("x");
  series.done(small, 1, 1);
  series.failed();
  CHECK(series.next(full).replaces == 0);
  // A large record is not joined to what would be too much with it.
  small = series.next("x");
  series.done(small, 1, 1);
  CHECK(series.next(std::string(kBlockRecordsMax, 'x')).replaces == 0);
}

TEST_CASE("the oldest blocks go, by their age and by their octets") {
  BlockSeries series;
  series.restore({{1, 100, 50}, {2, 200, 50}, {3, 300, 50}, {4, 400, 50}});
  CHECK(series.surplus(0, 1000) == 0);
  CHECK(series.surplus(300, 1000) == 2);
  CHECK(series.surplus(0, 120) == 2);
  CHECK(series.surplus(1000, 1000) == 4);
  series.removed(2);
  CHECK(series.octets() == 100);
  CHECK(series.surplus(0, 120) == 0);
  auto order = series.next("x");
  series.done(order, 500, 1);
  series.removed(order.number);
  CHECK(series.blocks() == 0);
  CHECK(series.next(std::string(kBlockRecords, 'x')).replaces == 0);
}
