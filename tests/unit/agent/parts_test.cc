#include <catch2/catch.hpp>

#include "common/agent/content_feed.h"
#include "common/agent/growth.h"
#include "common/agent/pace.h"
#include "common/ipc/messages.h"

using namespace postwain;
using namespace postwain::agent;

TEST_CASE("how many connections a destination opens") {
  struct Row {
    std::string name;
    Load load;
    std::size_t want;
  };
  const std::vector<Row> rows = {
      {"nothing waits", {0, 0, 0, 50, false}, 0},
      {"the first opens alone", {20, 0, 0, 50, false}, 1},
      {"and is waited for", {20, 1, 0, 50, true}, 0},
      {"a few open at once", {20, 0, 1, 50, false}, 3},
      {"no more than wait", {2, 0, 1, 50, false}, 2},
      {"those opening count", {2, 2, 1, 50, false}, 0},
      {"then only after a wait", {20, 0, 4, 50, false}, 0},
      {"doubling", {20, 0, 4, 50, true}, 4},
      {"not beyond what waits", {3, 0, 8, 50, true}, 3},
      {"not beyond the limit", {40, 0, 8, 10, true}, 2},
      {"growth refused", {40, 0, 8, 8, true}, 0},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CHECK(connections_to_open(row.load) == row.want);
  }
}

TEST_CASE("content feed") {
  const std::uint64_t chunk = ipc::kContentChunk;
  ContentFeed feed(3 * chunk + 5);
  auto one = feed.next_request();
  auto two = feed.next_request();
  REQUIRE((one && two));
  CHECK(two->offset == chunk);
  CHECK_FALSE(feed.next_request());
  CHECK_FALSE(feed.has_chunk());
  CHECK(feed.arrived(0, std::string(chunk, 'a')));
  CHECK_FALSE(feed.next_request());  // one held, one under way
  CHECK_FALSE(feed.take().last);
  CHECK(feed.next_request()->offset == 2 * chunk);
  CHECK_FALSE(feed.arrived(0, std::string(chunk, 'a')));          // repeated
  CHECK_FALSE(feed.arrived(chunk, std::string(chunk - 1, 'a')));  // short
  CHECK_FALSE(feed.arrived(2 * chunk, std::string(chunk, 'a')));  // out of order
  CHECK(feed.arrived(chunk, std::string(chunk, 'b')));
  CHECK(feed.arrived(2 * chunk, std::string(chunk, 'c')));
  feed.take();
  feed.take();
  CHECK(feed.next_request()->length == 5);
  CHECK_FALSE(feed.next_request());
  CHECK(feed.arrived(3 * chunk, "12345"));
  ContentFeed::Chunk last = feed.take();
  CHECK(last.bytes == "12345");
  CHECK(last.last);
  CHECK_FALSE(feed.has_chunk());
  CHECK_FALSE(feed.arrived(3 * chunk + 5, ""));
}

TEST_CASE("content of no bytes is one empty last chunk") {
  ContentFeed feed(0);
  CHECK_FALSE(feed.next_request());
  REQUIRE(feed.has_chunk());
  CHECK(feed.take().last);
  CHECK_FALSE(feed.has_chunk());
}

TEST_CASE("as many messages on their way as the peer deals with in one round trip") {
  using namespace std::chrono_literals;
  Pace near;
  near.round_trip(0ms);
  near.served(1ms);
  CHECK(near.flight(32) == 1);
  Pace far;
  far.round_trip(50ms);
  CHECK(far.flight(32) == 1);  // nothing is known yet
  far.served(0ms);
  CHECK(far.flight(32) == 32);
  CHECK(far.flight(1) == 1);
  for (int i = 0; i < 30; ++i) far.served(10ms);
  CHECK(far.flight(32) == 5);
  for (int i = 0; i < 30; ++i) far.served(2000ms);  // it thinks for long
  CHECK(far.flight(32) == 1);
}
