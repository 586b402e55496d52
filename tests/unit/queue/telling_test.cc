// What nodes tell each other of their history, over a database in memory: one writes, another
// finds; trouble costs neither mail nor memory, and whatever lies there, a search ends.
#include <catch2/catch.hpp>

#include "common/net/loop.h"

#include "qmgr/history/block_reader.h"
#include "qmgr/history/block_writer.h"
#include "tests/unit/qmgr/support.h"
#include "tests/unit/queue/fake_keeper.h"

using namespace postwain;
using namespace postwain::qmgr;
using test::FakeKeeper;
using test::HistoryRows;

namespace {

constexpr Duration kTold = std::chrono::hours(24);

mail::QueueId id_now(std::uint64_t number) {
  return {mail::QueueId::first_of(wall_now()).value | number};
}

std::string arrival_of(mail::QueueId id, const std::string& to) {
  std::string out;
  append_record(out, test::make_message(id.value, {to}), "<m@example.com>");
  return out;
}

std::string refused_by(const std::string& client) {
  RefusalRecord record;
  record.at = to_unix_ms(wall_now());
  record.client = client;
  record.text = std::string(500, 'x');
  std::string out;
  append_record(out, record);
  return out;
}

struct TellingNode {
  TellingNode(HistoryRows& rows, std::uint8_t number, const std::string& name)
      : keeper(rows, number), writer(loop, keeper, name, kTold), reader(keeper, name) {}

  bool write() {
    bool done = false;
    writer.flush([&] { done = true; });
    keeper.run();
    return done;
  }
  ToldElsewhere find(HistoryQuery query) {
    std::optional<ToldElsewhere> told;
    reader.find(std::move(query), [&](ToldElsewhere found) { told = std::move(found); });
    keeper.run();
    REQUIRE(told);
    return std::move(*told);
  }
  ToldElsewhere find_text(const std::string& text) { return find(HistoryQuery{text, {}, 20}); }

  net::Loop loop;
  FakeKeeper keeper;
  BlockWriter writer;
  BlockReader reader;
};

}  // namespace

TEST_CASE("what one node tells another one finds, with the name of who told it") {
  HistoryRows rows;
  TellingNode a(rows, 0, "mx1");
  TellingNode b(rows, 1, "mx2");
  mail::QueueId id = id_now(1);
  a.writer.add(arrival_of(id, "bob@example.org"));
  a.writer.add(refused_by("192.0.2.9"));
  REQUIRE(a.write());
  for (const std::string& query : {id.text(), std::string("bob@example.org")}) {
    auto told = b.find_text(query);
    CHECK_FALSE(told.trouble);
    REQUIRE(told.timelines.size() == 1);
    CHECK(told.timelines[0].node == "mx1");
    CHECK_FALSE(told.timelines[0].cut);
    auto own = a.find_text(query);
    REQUIRE(own.timelines.size() == 1);
    CHECK(own.timelines[0].node.empty());
  }
  CHECK(b.find_text("eve@example.org").timelines.empty());
  auto refused = b.find({{}, "192.0.2.9", 20}).refused;
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].node == "mx1");
}

TEST_CASE("a message that several nodes had is told as one") {
  HistoryRows rows;
  TellingNode a(rows, 0, "mx1");
  TellingNode b(rows, 1, "mx2");
  TellingNode c(rows, 2, "mx3");
  mail::QueueId id = id_now(1);
  a.writer.add(arrival_of(id, "bob@example.org"));
  REQUIRE(a.write());
  EventRecord adopted;
  adopted.id = id;
  adopted.kind = HistoryKind::adopted;
  adopted.at = to_unix_ms(wall_now());
  adopted.recipient = "bob@example.org";
  std::string record;
  append_record(record, adopted);
  for (int i = 0; i < 40; ++i) {  // far behind the arrival
    b.writer.add(arrival_of(id_now(static_cast<std::uint64_t>(i) + 100), "other@example.org"));
    REQUIRE(b.write());
  }
  b.writer.add(record);
  REQUIRE(b.write());
  auto told = c.find_text("bob@example.org");
  REQUIRE(told.timelines.size() == 1);
  CHECK(told.timelines[0].node == "mx1");
  REQUIRE(told.timelines[0].recipients.size() == 1);
  REQUIRE(told.timelines[0].recipients[0].events.size() == 1);
  CHECK(told.timelines[0].recipients[0].events[0].node == "mx2");
}

TEST_CASE("small blocks become large ones, and after a restart numbers go on") {
  HistoryRows rows;
  {
    TellingNode a(rows, 0, "mx1");
    for (std::uint64_t i = 1; i <= 100; ++i) {
      a.writer.add(arrival_of(id_now(i), "bob@example.org"));
      REQUIRE(a.write());
    }
    CHECK(rows.blocks.size() < 40);
    CHECK(rows.blocks.rbegin()->first.second == 100);
  }
  TellingNode a(rows, 0, "mx1");
  a.writer.add(arrival_of(id_now(101), "bob@example.org"));
  REQUIRE(a.write());
  CHECK(rows.blocks.rbegin()->first.second == 101);
  CHECK(a.find({"bob@example.org", {}, 100}).timelines.size() == 100);
}

TEST_CASE("while the database is away what is told waits, up to a bound") {
  HistoryRows rows;
  TellingNode a(rows, 0, "mx1");
  a.writer.add(arrival_of(id_now(1), "bob@example.org"));
  rows.trouble = StoreError{StoreError::Kind::away, "no connection"};
  CHECK(a.write());
  std::string many;
  for (std::uint64_t i = 0; i < 3000; ++i) many += arrival_of(id_now(i + 10), "eve@example.org");
  for (std::size_t octets = 0; octets < 2 * kSharedBuffer; octets += many.size())
    a.writer.add(many);
  CHECK(a.find_text("bob@example.org").trouble);
  CHECK(a.write());
  rows.trouble.reset();
  REQUIRE(a.write());
  REQUIRE(a.write());
  CHECK(a.find_text("bob@example.org").timelines.size() == 1);
  CHECK(a.find_text("eve@example.org").timelines.size() == 20);
  std::size_t octets = 0;
  for (const auto& [key, block] : rows.blocks) octets += records_in(block.data)->size();
  CHECK(octets <= kSharedBuffer + kBlockRecords);
  CHECK(octets > kSharedBuffer / 2);
}

TEST_CASE("history that other nodes will never read is counted, and goes on to be counted") {
  HistoryRows rows;
  TellingNode a(rows, 0, "mx1");
  a.writer.add(arrival_of(id_now(1), "bob@example.org"));
  REQUIRE(a.write());
  CHECK(a.writer.dropped() == 0);
  // Away: it waits. What comes beyond the buffer is dropped.
  rows.trouble = StoreError{StoreError::Kind::away, "no connection"};
  const std::string full(kSharedBuffer, 'x');
  a.writer.add(full);
  a.writer.add("twelve more.");
  CHECK(a.write());
  CHECK(a.writer.dropped() == 12);
  a.writer.add(full + "and one");
  CHECK(a.write());
  CHECK(a.writer.dropped() == 12 + full.size() + 7);
  // What the database will never take is gone, too.
  TellingNode b(rows, 1, "mx2");
  rows.trouble.reset();
  const std::string record = arrival_of(id_now(2), "eve@example.org");
  REQUIRE(b.write());  // it knows what it has told before
  b.writer.add(record);
  rows.trouble = StoreError{StoreError::Kind::refused, "a value is out of its range"};
  CHECK(b.write());
  CHECK(b.writer.dropped() == record.size());
}

TEST_CASE("who knocks often does not push out what became of mail") {
  HistoryRows rows;
  TellingNode a(rows, 0, "mx1");
  std::string flood;
  for (int i = 0; i < 5000; ++i) flood += refused_by("192.0.2.9");
  a.writer.add(flood);
  a.writer.add(arrival_of(id_now(1), "bob@example.org"));
  REQUIRE(a.write());
  std::size_t octets = 0;
  for (const auto& [key, block] : rows.blocks) octets += records_in(block.data)->size();
  CHECK(octets < 2 * kSharedRefusals);
  CHECK(a.find_text("bob@example.org").timelines.size() == 1);
}

TEST_CASE("a search comes to its end, whatever others have written") {
  HistoryRows rows;
  TellingNode a(rows, 0, "mx1");
  mail::QueueId id = id_now(1);
  std::string all(100, '\xff');  // matches everything
  for (std::int64_t i = 1; i <= 4000; ++i)
    rows.blocks[{1, i}] = {i, to_unix_ms(wall_now()), "mx2", all, i % 2 == 0 ? "rubbish" : ""};
  rows.blocks[{2, 1}] = {1, to_unix_ms(wall_now()), "mx3", all,
                         block_of(arrival_of(id, "bob@example.org"))->data};
  auto told = a.find_text(id.text());
  REQUIRE(told.timelines.size() == 1);
  CHECK(told.timelines[0].node == "mx3");
  CHECK(told.timelines[0].cut);
}

TEST_CASE("questions wait for each other, and not too many") {
  HistoryRows rows;
  TellingNode a(rows, 0, "mx1");
  int answered = 0;
  int refused = 0;
  for (std::size_t i = 0; i < kSearchesWaiting + 5; ++i)
    a.reader.find({"bob@example.org", {}, 20}, [&](const ToldElsewhere& told) {
      ++answered;
      refused += told.trouble.has_value();
    });
  CHECK(refused == 5);
  a.keeper.run();
  CHECK(answered == static_cast<int>(kSearchesWaiting) + 5);
  CHECK(refused == 5);
}
