// Blocks of history on a real server: they are found there by the filters that are made here, go
// when they are too old, and nothing of an ended term is written.
#include <catch2/catch.hpp>

#include <algorithm>

#include "qmgr/history/history_block.h"
#include "qmgr/store/postgres/keeper/pg_history_blocks.h"
#include "tests/unit/qmgr/support.h"
#include "tests/unit/store/postgres/pg_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using test::has_server;
using test::opened;

namespace {

PgOptions keeper_node(const test::PostgresDatabase& database, const std::string& name) {
  PgOptions options = database.options();
  options.alone = false;
  options.node_name = name;
  options.machine = "machine of " + name;
  return options;
}

// A node with its store, and the keeper's table.
struct KeeperOfNode {
  KeeperOfNode(const test::PostgresDatabase& database, const std::string& name)
      : options(keeper_node(database, name)),
        store(opened(options)),
        session(options, store->shared()->self()),
        table(session) {}
  std::uint8_t number() const { return store->shared()->self().node; }

  PgOptions options;
  std::unique_ptr<PgStore> store;
  PgKeeperSession session;
  PgHistoryBlocks table;
};

HistoryBlock block_with(std::int64_t number, std::vector<std::uint64_t> ids, std::int64_t at = 1000,
                        const std::string& node = "a") {
  std::vector<std::uint64_t> keys;
  for (std::uint64_t id : ids) keys.push_back(key_of(mail::QueueId{id}));
  return {number, at, node, filter_of(keys), "data of " + std::to_string(number)};
}

std::vector<std::int64_t> numbers_found(HistoryBlockTable& table, std::uint8_t node,
                                        std::vector<std::uint64_t> ids, std::int64_t from = 0) {
  HistoryBlockTable::Search search{node, INT64_MAX, from, {}};
  for (std::uint64_t id : ids) search.probes.push_back(probe_of(key_of(mail::QueueId{id})));
  std::vector<std::int64_t> numbers;
  for (int steps = 0; search.below > 0; ++steps) {
    REQUIRE(steps < 1000);
    auto found = table.search(search);
    if (!found) FAIL(found.error().text);
    for (const HistoryBlock& block : found->blocks) numbers.push_back(block.number);
    search.below = found->below;
  }
  return numbers;
}

std::vector<std::int64_t> own_numbers(HistoryBlockTable& table) {
  std::vector<std::int64_t> numbers;
  auto own = table.own(0, 1000);
  if (!own) FAIL(own.error().text);
  for (const auto& one : *own) numbers.push_back(one.number);
  return numbers;
}

using Numbers = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("blocks are found by any key in them, newest first, and from any node") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  KeeperOfNode a(database, "a");
  KeeperOfNode b(database, "b");
  REQUIRE(a.table.last_blocks()->empty());
  for (std::int64_t i = 1; i <= 40; ++i)
    REQUIRE(a.table.put(block_with(i, {static_cast<std::uint64_t>(i), 5000}, 1000 + i), 0).ok());
  REQUIRE(b.table.put(block_with(7, {5000}, 500, "b"), 0).ok());
  auto last = b.table.last_blocks();
  REQUIRE(last->size() == 2);
  CHECK((*last)[0].number == 40);
  CHECK((*last)[1].number == 7);
  auto newest = a.table.search({a.number(), INT64_MAX, 0, {probe_of(key_of(mail::QueueId{5000}))}});
  REQUIRE(newest.ok());
  CHECK(newest->blocks.front().data == "data of 40");
  CHECK(newest->blocks.front().node == "a");
  CHECK(newest->blocks.front().at == 1040);
  Numbers all = numbers_found(b.table, a.number(), {5000});
  REQUIRE(all.size() == 40);
  CHECK(all.front() == 40);
  CHECK(all.back() == 1);
  Numbers two = numbers_found(b.table, a.number(), {13, 31});
  CHECK(std::count(two.begin(), two.end(), 13) == 1);
  CHECK(std::count(two.begin(), two.end(), 31) == 1);
  CHECK(two.size() < 8);
  CHECK(numbers_found(b.table, a.number(), {5000}, 1038) == Numbers{40, 39, 38});
  CHECK(numbers_found(b.table, b.number(), {5000}) == Numbers{7});
  CHECK(numbers_found(b.table, 31, {5000}).empty());
  CHECK(numbers_found(b.table, a.number(), {}).empty());
}

// One row with the last number there is, and its node told others nothing any more.
TEST_CASE("a block at the end of all numbers leaves its node a number for the next one") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  KeeperOfNode a(database, "a");
  REQUIRE(a.table.put(block_with(3, {5}), 0).ok());
  REQUIRE(a.table.put(block_with(INT64_MAX, {5}), 0).ok());
  REQUIRE(a.table.put(block_with(INT64_MAX / 2 + 1, {5}), 0).ok());
  CHECK(own_numbers(a.table) == Numbers{3});
  CHECK(numbers_found(a.table, a.number(), {5}).back() == 3);
}

// The server's arithmetic is ours: filters of each length and with large numbers.
TEST_CASE("the server and this program read the same filters") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  KeeperOfNode a(database, "a");
  std::vector<std::uint64_t> keys;
  Numbers expected;
  const FilterProbe wanted = probe_of(key_of(mail::QueueId{77}));
  for (std::int64_t i = 1; i <= 60; ++i) {
    keys.push_back(key_of(mail::QueueId{static_cast<std::uint64_t>(i * 1000)}));
    HistoryBlock block{i, 1, "a", filter_of(keys), "x"};
    // Full ones and nearly empty ones match by chance as often as not.
    for (std::size_t octet = 0; octet < block.filter.size(); ++octet)
      if ((octet + static_cast<std::size_t>(i)) % 3 != 0) block.filter[octet] = '\xff';
    if (matches(block.filter, wanted)) expected.insert(expected.begin(), i);
    REQUIRE(a.table.put(block, 0).ok());
  }
  REQUIRE(expected.size() > 3);
  REQUIRE(expected.size() < 57);
  CHECK(numbers_found(a.table, a.number(), {77}) == expected);
}

TEST_CASE("a block replaces small ones, and the same number once more changes nothing") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  KeeperOfNode a(database, "a");
  for (std::int64_t i = 1; i <= 5; ++i) REQUIRE(a.table.put(block_with(i, {1}), 0).ok());
  REQUIRE(a.table.put(block_with(6, {1}), 3).ok());
  CHECK(own_numbers(a.table) == Numbers{1, 2, 6});
  HistoryBlock other = block_with(6, {1});
  other.data = "other";
  REQUIRE(a.table.put(other, 0).ok());
  auto own = a.table.own(2, 10);
  REQUIRE(own->size() == 1);
  CHECK((*own)[0].octets == static_cast<std::int64_t>(std::string("data of 6").size() + 2));
  CHECK(a.table.own(0, 2)->size() == 2);
  REQUIRE(a.table.remove_own(2).ok());
  CHECK(own_numbers(a.table) == Numbers{6});
  // What the table does not take is that block's trouble alone.
  other.data.assign(kBlockOctetsMax + 1, 'x');
  other.number = 7;
  auto refused = a.table.put(other, 0);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == StoreError::Kind::refused);
  CHECK(own_numbers(a.table) == Numbers{6});
}

TEST_CASE("a node that is gone keeps its history for others, until it is too old") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  KeeperOfNode a(database, "a");
  KeeperOfNode b(database, "b");
  for (std::int64_t i = 1; i <= 5; ++i) REQUIRE(b.table.put(block_with(i, {9}, i * 100), 0).ok());
  REQUIRE(a.table.remove_left(1000).ok());
  CHECK(own_numbers(b.table).size() == 5);
  auto fenced = a.store->shared()->fence(b.number(), b.store->shared()->self().term, -1);
  REQUIRE(fenced.ok());
  auto late = b.table.put(block_with(6, {9}), 0);
  REQUIRE_FALSE(late.ok());
  // Whoever ends a term ends its sessions, too.
  const StoreError::Kind kind = late.error().kind;
  CHECK((kind == StoreError::Kind::fenced || kind == StoreError::Kind::away));
  CHECK(numbers_found(a.table, b.number(), {9}) == Numbers{5, 4, 3, 2, 1});
  REQUIRE(a.table.remove_left(300).ok());
  CHECK(numbers_found(a.table, b.number(), {9}) == Numbers{5, 4, 3});
}

TEST_CASE("a table of another form is damage, and ends in an error") {
  if (!has_server()) return;
  test::PostgresDatabase database;
  KeeperOfNode a(database, "a");
  REQUIRE(a.table.put(block_with(1, {9}), 0).ok());
  database.run(
      "ALTER TABLE history_block DROP CONSTRAINT history_block_data_check; UPDATE "
      "history_block SET data = convert_to(repeat('x', 300000), 'UTF8') WHERE node = 0");
  HistoryBlockTable::Search search{
      static_cast<std::int16_t>(a.number()), INT64_MAX, 0, {probe_of(key_of(mail::QueueId{9}))}};
  CHECK_FALSE(a.table.search(search).ok());
  database.run(
      "ALTER TABLE history_block DROP CONSTRAINT history_block_number_check; UPDATE "
      "history_block SET number = -5 WHERE node = 0");
  CHECK_FALSE(a.table.last_blocks().ok());
}
