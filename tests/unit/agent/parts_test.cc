#include <catch2/catch.hpp>

#include <sys/mman.h>

#include "common/agent/content_feed.h"
#include "common/agent/hosts/own_addresses.h"
#include "common/agent/hosts/tls_notes.h"
#include "common/agent/pacing/growth.h"
#include "common/agent/pacing/pace.h"
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

namespace {

UniqueFd file_of(const std::string& content) {
  UniqueFd file(::memfd_create("content", MFD_CLOEXEC));
  REQUIRE(write_all(file.get(), content).ok());
  return file;
}

// All of it, reading in the background where that is asked for.
std::string drain(ContentFeed& feed) {
  std::string out;
  bool last = false;
  for (;;) {
    ContentFeed::Next next = feed.next();
    CHECK(last == (next == ContentFeed::Next::nothing));
    if (next == ContentFeed::Next::load) {
      feed.loaded(feed.offset(), ContentFeed::read(*feed.file(), feed.offset_in_file()));
      continue;
    }
    if (next != ContentFeed::Next::take) {
      CHECK((next == ContentFeed::Next::nothing || next == ContentFeed::Next::broken));
      return out;
    }
    ContentFeed::Block block = feed.take();
    out += block.bytes;
    last = block.last;
  }
}

}  // namespace

TEST_CASE("S22: our own address is ours in every spelling") {
  auto listener = [](const char* host, std::uint16_t port) {
    config::Listener out;
    out.host = host;
    out.port = port;
    return out;
  };
  OwnAddresses own({listener("::1", 25), listener("192.0.2.7", 25), listener("198.51.100.1", 587)},
                   25);
  for (const char* address : {"::1", "0:0:0:0:0:0:0:1", "0000:0000:0000:0000:0000:0000:0000:0001",
                              "::0:1", "::", "0:0:0:0:0:0:0:0", "192.0.2.7", "::ffff:192.0.2.7",
                              "::FFFF:192.0.2.7", "0:0:0:0:0:ffff:c000:207"}) {
    CAPTURE(address);
    CHECK(own.has(address));
  }
  for (const char* address :
       {"::2", "192.0.2.8", "198.51.100.1", "127.0.0.1", "0.0.0.0", "", "x"}) {
    CAPTURE(address);
    CHECK_FALSE(own.has(address));
  }
  OwnAddresses all({listener("::", 25)}, 25);
  for (const char* address :
       {"127.0.0.1", "127.9.9.9", "0.0.0.0", "::ffff:127.0.0.1", "0:0:0:0:0:0:0:1", "::"}) {
    CAPTURE(address);
    CHECK(all.has(address));
  }
}

TEST_CASE("content feed") {
  std::string content;
  for (int i = 0; content.size() < 3 * ContentFeed::kBlock; ++i) content += std::to_string(i) + ' ';
  ContentFeed feed(content.size());
  CHECK(feed.next() == ContentFeed::Next::ask);
  CHECK(feed.next() == ContentFeed::Next::wait);
  SECTION("a file, once and again") {
    feed.give({}, file_of(content));
    CHECK(drain(feed) == content);
    feed.start_again();
    CHECK(drain(feed) == content);
  }
  SECTION("a file, from its middle again") {
    feed.give({}, file_of(content));
    if (feed.next() == ContentFeed::Next::load) feed.loaded(0, ContentFeed::read(*feed.file(), 0));
    feed.take();
    bool loading = feed.next() == ContentFeed::Next::load;
    std::uint64_t old = feed.offset();
    feed.start_again();
    if (loading) CHECK(feed.next() == ContentFeed::Next::wait);
    feed.loaded(old, std::string("a read of before"));
    CHECK(drain(feed) == content);
  }
  SECTION("a file that is longer: what was promised of it") {
    feed.give({}, file_of(content + "more"));
    CHECK(drain(feed) == content);
  }
  SECTION("a file that is shorter") {
    feed.give({}, file_of(content.substr(0, content.size() - 1)));
    drain(feed);
    CHECK(feed.next() == ContentFeed::Next::broken);
  }
  SECTION("a header section, then a file, once and again") {
    std::size_t head = GENERATE(as<std::size_t>(), 1, 500, ContentFeed::kBlock - 1,
                                ContentFeed::kBlock, ContentFeed::kBlock + 1, 150000);
    feed.give(content.substr(0, head), file_of(content.substr(head)));
    CHECK(drain(feed) == content);
    feed.start_again();
    CHECK(drain(feed) == content);
  }
  SECTION("a header section that is all of it, and an empty file") {
    feed.give(content, file_of(""));
    CHECK(drain(feed) == content);
  }
  SECTION("a header section, then a file that is shorter") {
    feed.give(content.substr(0, 500), file_of(content.substr(500, content.size() - 501)));
    drain(feed);
    CHECK(feed.next() == ContentFeed::Next::broken);
  }
  SECTION("a header section that is larger than the whole should be") {
    feed.give(content + "x", file_of(""));
    CHECK(feed.next() == ContentFeed::Next::broken);
  }
  SECTION("whole") {
    feed.give(content);
    CHECK(drain(feed) == content);
    feed.start_again();
    CHECK(drain(feed) == content);
  }
  SECTION("whole, of another size") {
    feed.give("x");
    CHECK(feed.next() == ContentFeed::Next::broken);
  }
}

TEST_CASE("content of no bytes is one empty last block") {
  ContentFeed feed(0);
  REQUIRE(feed.next() == ContentFeed::Next::take);
  CHECK(feed.take().last);
  CHECK(feed.next() == ContentFeed::Next::nothing);
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

TEST_CASE("notes on TLS are counted, told in pieces, and bounded") {
  TlsNotes notes;
  mail::TlsResult good;
  good.domain = "a.example";
  mail::TlsResult bad = good;
  bad.end = mail::TlsEnd::certificate_expired;
  for (int i = 0; i < 3; ++i) notes.add(good);
  notes.add(bad);
  auto told = notes.take();
  REQUIRE(told.size() == 2);
  CHECK(told[0].result == good);
  CHECK(told[0].count == 3);
  CHECK(told[1].count == 1);
  CHECK(notes.take().empty());
  // Domains with policies of any size neither fill our memory nor make a frame too large.
  mail::StsPolicy sts;
  for (int i = 0; i < 100; ++i) sts.hosts.push_back(std::string(250, 'm'));
  bad.policy = mail::reported("a.example", sts);
  std::size_t most = mail::kNotesBytesMax / mail::bytes_of(bad);
  for (std::size_t i = 0; i < 2 * most; ++i) {
    bad.reason = std::to_string(i);
    notes.add(bad);
  }
  std::size_t all = 0;
  for (;;) {
    ipc::TlsResults results{notes.take()};
    if (results.results.empty()) break;
    all += results.results.size();
    std::string frame;
    REQUIRE(ipc::append_frame(frame, results));
    CHECK(frame.size() < 512U << 10);
  }
  CHECK(all <= most);
  CHECK(all > most / 2);
}
