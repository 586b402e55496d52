// The table of who was seen: what passes when, what it forgets when it is full, and what is left of
// it after a restart.
#include <catch2/catch.hpp>

#include "filter/deciding/greylist_table.h"

using namespace postwain;
using namespace postwain::filter;

namespace {

constexpr HashSecret kSecret{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
constexpr GreylistTable::Seconds kNoon = 1'000'000;
using Names = std::vector<std::string>;

// Of one sender and recipient.
GreylistTable::Attempt attempt(GreylistTable& table, const Names& names,
                               GreylistTable::Seconds after) {
  return table.attempt(names, "example.org", "b@example.net", kNoon + after);
}

}  // namespace

TEST_CASE("keyed hashes are the first 128 bits of HMAC-SHA-256") {
  KeyedHash hash(kSecret);
  CHECK(hash("") == HashKey{0x8c79b726b3f8ef07, 0x9a4879e5dbcbcf9c});
  CHECK(hash(std::string_view("\0", 1)) == HashKey{0x4922159c8cd45aec, 0x9c72050a0ab76055});
  CHECK(hash("0123456789abcdef") != hash("0123456789abcdeg"));
}

TEST_CASE("a stranger passes when it comes back after the wait, and from then on") {
  GreylistTable table({}, kSecret);
  auto first = attempt(table, {"net"}, 0);
  CHECK((!first.passes && first.wait == 300 && first.seen_ago == 0));
  auto early = attempt(table, {"net"}, 12);
  CHECK((!early.passes && early.wait == 288 && early.seen_ago == 12));
  CHECK(attempt(table, {"net"}, 300).passes);
  CHECK(attempt(table, {"net"}, 301).passes);
  CHECK(attempt(table, {"net"}, 34 * 86400).passes);
  // Each use prolongs it.
  CHECK(attempt(table, {"net"}, 68 * 86400).passes);
  CHECK_FALSE(attempt(table, {"net"}, 104 * 86400).passes);
}

TEST_CASE("a first attempt is forgotten after the window") {
  GreylistTable table({}, kSecret);
  (void)attempt(table, {"net"}, 0);
  auto late = attempt(table, {"net"}, 48 * 3600 + 1);
  CHECK((!late.passes && late.seen_ago == 0));
}

TEST_CASE("another sender or recipient waits for itself") {
  GreylistTable table({}, kSecret);
  (void)attempt(table, {"net"}, 0);
  CHECK_FALSE(table.attempt({"net"}, "other.example", "b@example.net", kNoon + 400).passes);
  CHECK_FALSE(table.attempt({"net"}, "example.org", "c@example.net", kNoon + 400).passes);
  CHECK_FALSE(attempt(table, {"elsewhere"}, 400).passes);
}

TEST_CASE("a pool that comes back from another network is known by its owner") {
  GreylistTable table({}, kSecret);
  (void)attempt(table, {"net1", "@big.example"}, 0);
  CHECK(attempt(table, {"net2", "@big.example"}, 400).passes);
  CHECK_FALSE(attempt(table, {"net3", "@other.example"}, 400).passes);
}

TEST_CASE("two good messages spare the network and the owner all delays") {
  GreylistTable table({}, kSecret);
  Names names{"net", "@big.example"};
  table.delivered(names, kNoon);
  CHECK_FALSE(table.is_good(names, kNoon));
  table.delivered(names, kNoon + 10);
  CHECK(table.is_good({"net"}, kNoon + 11));
  CHECK(table.is_good({"elsewhere", "@big.example"}, kNoon + 11));
  CHECK_FALSE(table.is_good({"elsewhere"}, kNoon + 11));
  CHECK_FALSE(table.is_good(names, kNoon + 11 + 35 * 86400));
}

TEST_CASE("who has waited for the greeting is greeted at once for a week") {
  GreylistTable table({}, kSecret);
  CHECK_FALSE(table.has_greeted("c", kNoon));
  table.greeted("c", kNoon);
  CHECK(table.has_greeted("c", kNoon + 6 * 86400));
  CHECK_FALSE(table.has_greeted("c", kNoon + 8 * 86400));
}

TEST_CASE("a clock that is set back neither lets through nor forgets") {
  GreylistTable table({}, kSecret);
  (void)attempt(table, {"net"}, 1000);
  CHECK_FALSE(attempt(table, {"net"}, 0).passes);
  CHECK(attempt(table, {"net"}, 1300).passes);
}

TEST_CASE("a flood of first attempts forgets nobody who is known, and stays within its bound") {
  GreylistTable table({}, kSecret, 1000);
  table.delivered({"good"}, kNoon);
  table.delivered({"good"}, kNoon);
  (void)attempt(table, {"back"}, 0);
  CHECK(attempt(table, {"back"}, 300).passes);
  for (GreylistTable::Seconds i = 0; i < 50'000; ++i)
    (void)table.attempt({"flood" + std::to_string(i)}, "x.example", "b@example.net",
                        kNoon + 400 + i / 100);
  for (GreylistTable::Seconds i = 0; i < 50'000; ++i)
    table.greeted("flood" + std::to_string(i), kNoon + 400 + i / 100);
  CHECK(table.size() <= 1000);
  CHECK(table.is_good({"good"}, kNoon + 1000));
  CHECK(attempt(table, {"back"}, 1000).passes);
}

TEST_CASE("a mailing to a million forgets no stranger that waits") {
  GreylistTable table({}, kSecret, 1000);
  for (int i = 0; i < 1000; ++i)
    table.wrote("news@example.net", "x" + std::to_string(i) + "@far.example", kNoon);
  (void)attempt(table, {"net"}, 0);
  for (int i = 1000; i < 50'000; ++i)
    table.wrote("news@example.net", "x" + std::to_string(i) + "@far.example", kNoon + 10);
  CHECK(table.size() <= 1000);
  CHECK(table.has_written("news@example.net", "x49999@far.example", kNoon + 10));
  CHECK(attempt(table, {"net"}, 300).passes);
}

TEST_CASE("a table that is full of those who are known still takes a stranger") {
  GreylistTable table({}, kSecret, 1000);
  for (int i = 0; i < 1200; ++i)
    table.delivered({"good" + std::to_string(i)}, kNoon + static_cast<GreylistTable::Seconds>(i));
  CHECK(table.size() == 1000);
  (void)attempt(table, {"net"}, 2000);
  for (int i = 0; i < 20; ++i) (void)attempt(table, {"net" + std::to_string(i)}, 2000);
  CHECK(table.size() == 1000);
  CHECK(attempt(table, {"net"}, 2300).passes);
}

TEST_CASE("what is over leaves the table") {
  GreylistTable table({}, kSecret);
  (void)attempt(table, {"net"}, 0);
  table.greeted("c", kNoon);
  table.sweep(kNoon + 8 * 86400);
  CHECK(table.size() == 0);
}

TEST_CASE("a snapshot is the table, and a damaged one is none") {
  GreylistTable table({}, kSecret);
  (void)attempt(table, {"net"}, 0);
  table.delivered({"good"}, kNoon);
  table.delivered({"good"}, kNoon);
  CHECK(table.changed());
  std::string octets = table.snapshot(7);
  CHECK_FALSE(table.changed());
  CHECK(octets.size() == kSnapshotHead + 2 * kSnapshotEntry);

  auto read = decode_snapshot(octets + "what a longer one has left");
  REQUIRE(read);
  CHECK(read->generation == 7);
  GreylistTable other({}, read->secret);
  CHECK(other.merge(*read));
  CHECK(other.is_good({"good"}, kNoon));
  CHECK(attempt(other, {"net"}, 300).passes);
  CHECK_FALSE(GreylistTable({}, HashSecret{}).merge(*read));

  for (std::size_t at = 0; at < octets.size(); ++at) {
    std::string damaged = octets;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    CHECK_FALSE(decode_snapshot(damaged));
    CHECK_FALSE(decode_snapshot(octets.substr(0, at)));
  }
  CHECK_FALSE(decode_snapshot(octets, 1));
}
