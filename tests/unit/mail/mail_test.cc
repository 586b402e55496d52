#include <set>

#include <catch2/catch.hpp>

#include "common/content/content_fields.h"
#include "common/mail/address.h"
#include "common/mail/next_hop.h"
#include "common/mail/queue_id.h"
#include "common/mail/reply.h"
#include "common/mail/stage_times.h"

using namespace postwain;
using namespace postwain::mail;

TEST_CASE("an address splits at the last at-sign outside quotes") {
  struct Row {
    const char* text;
    const char* local;
    const char* key;
    const char* unquoted;
  };
  const Row rows[] = {
      {"user@Example.ORG", "user", "example.org", "user"},
      {"\"a@b\"@x.org.", "\"a@b\"", "x.org", "a@b"},
      {"\"a\\\"@b\"@x", "\"a\\\"@b\"", "x", "a\"@b"},
      {"a@b@c", "a@b", "c", "a@b"},
      {"postmaster", "postmaster", "", "postmaster"},
      {"u@[192.0.2.1]", "u", "[192.0.2.1]", "u"},
      {"a@", "a@", "", "a@"},  // nothing is lost, and the parser refuses it
      {"a@b@", "a@b@", "", "a@b@"},
      {"", "", "", ""},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    Address address = Address::from_text(row.text);
    CHECK(address.text() == row.text);
    CHECK(address.local() == row.local);
    CHECK(address.domain_key() == row.key);
    CHECK(address.local_unquoted() == row.unquoted);
  }
  CHECK(Address().is_null());
  CHECK(Address("grün", "x").is_utf8());
}

TEST_CASE("queue ids never repeat, also when the clock stands still or jumps back") {
  QueueIdSource source(5);
  std::set<std::uint64_t> seen;
  WallTime now = from_unix_ms(1763717400000);
  for (int i = 0; i < 10000; ++i) REQUIRE(seen.insert(source.next(now).value).second);
  for (int i = 0; i < 10000; ++i)
    REQUIRE(seen.insert(source.next(now - std::chrono::seconds(50)).value).second);
  CHECK(seen.count(QueueIdSource(6).next(now).value) == 0);
}

// All mail was refused for an hour when a clock had been an hour ahead for a moment.
TEST_CASE("queue ids are of the present again when a clock that was ahead is set right") {
  const WallTime now = from_unix_ms(1763717400000);
  const Duration ahead = GENERATE(Duration(std::chrono::minutes(3)), std::chrono::hours(1),
                                  std::chrono::hours(24 * 365));
  QueueIdSource source(5);
  std::set<std::uint64_t> seen;
  for (int round = 0; round < 3; ++round) {
    // Of the wrong clock, and those that are made once its moments have come.
    for (int i = 0; i < 1000; ++i)
      REQUIRE(seen.insert(source.next(now + ahead + Duration(round)).value).second);
    for (int i = 0; i < 1000; ++i) {
      QueueId id = source.next(now + Duration(i));
      REQUIRE(seen.insert(id.value).second);
      REQUIRE(id.made_at() >= now);
      REQUIRE(id.made_at() <= now + Duration(i) + std::chrono::seconds(1));
    }
  }
}

TEST_CASE("queue ids keep to the bags that they are to be of, and never repeat") {
  WallTime now = from_unix_ms(1763717400000);
  QueueIdSource source(5);
  std::set<QueueId> seen;
  QueueId last;
  for (std::uint64_t bags : {std::uint64_t{1}, std::uint64_t{1} << 63, kAllBags,
                             std::uint64_t{0xF0F0}, std::uint64_t{0}}) {
    source.keep_to(bags);
    for (int i = 0; i < 3000; ++i) {
      // The clock goes on, stands still, or jumps back.
      QueueId id = source.next(now + std::chrono::milliseconds(i % 3 - 1));
      REQUIRE((bags == 0 || id.is_in(bags)));
      REQUIRE(id > last);
      REQUIRE(id.worker() == 5);
      REQUIRE(seen.insert(id).second);
      last = id;
    }
  }
  source.set_worker(7);
  CHECK(source.next(now) > last);
  CHECK(source.next(now).worker() == 7);
}

TEST_CASE("the next id of a bag is always the same one, of the same worker and moment") {
  WallTime now = from_unix_ms(1763717400000);
  QueueId id = QueueId::first_of(now).with_worker(kDropWorker);
  for (unsigned bag = 0; bag < kBags; ++bag) {
    std::optional<QueueId> next = id.next_in(std::uint64_t{1} << bag);
    REQUIRE(next);
    CHECK(next->bag() == bag);
    CHECK(*next > id);
    CHECK(next->worker() == kDropWorker);
    CHECK(next->made_at() == now);
    CHECK(next == id.next_in(std::uint64_t{1} << bag));
  }
  CHECK(id.next_in(kAllBags)->value == id.value + 1);
  CHECK_FALSE(id.next_in(0));
  CHECK_FALSE(QueueId{id.value | 0xFFF}.next_in(kAllBags));
}

TEST_CASE("a queue id survives its text in any letter case") {
  QueueId id = QueueIdSource(1023).next(from_unix_ms(1763717400000));
  CHECK(id.text().size() == 13);
  CHECK(QueueId::parse(id.text()) == id);
  std::string lower = id.text();
  for (char& c : lower) c = static_cast<char>(std::tolower(c));
  CHECK(QueueId::parse(lower) == id);
  for (const char* bad :
       {"", "0", "ZZZZZZZZZZZZZ", "8000000000000", "000000000000I", "0000000000000x"})
    CHECK_FALSE(QueueId::parse(bad));
}

TEST_CASE("next hops parse and keep one stable key") {
  struct Row {
    const char* text;
    const char* key;  // null: refused
  };
  const Row rows[] = {
      {"mx", "mx:"},
      {"smtp:relay.example.org:587", "smtp:relay.example.org:587"},
      {"smtp:Relay.Example.org", "smtp:relay.example.org:25"},
      {"smtp:[192.0.2.1]:2525", "smtp:[192.0.2.1]:2525"},
      {"smtp:[2001:db8::1]", "smtp:[2001:db8::1]:25"},
      {"smtp:a:25, b:26", "smtp:a:25,b:26"},
      {"smtps:relay.example.org", "smtps:relay.example.org:465"},  // F11
      {"smtps:a:465,[192.0.2.1]:4465", "smtps:a:465,[192.0.2.1]:4465"},
      {"smtps:", nullptr},
      {"smtps:unix:/x", nullptr},
      {"lmtp:unix:/run/dovecot/lmtp", "lmtp:unix:/run/dovecot/lmtp"},
      {"lmtp:127.0.0.1:24", "lmtp:[127.0.0.1]:24"},
      {"lmtp:store", nullptr},
      {"lmtp:unix:relative", nullptr},
      {"smtp:unix:/x", nullptr},
      {"smtp:", nullptr},
      {"smtp", nullptr},
      {"smtp:host:0", nullptr},
      {"smtp:host:70000", nullptr},
      {"smtp:[host]:25", nullptr},
      {"smtp:[192.0.2.1", nullptr},
      {"http://x", nullptr},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    std::string why;
    auto hop = NextHop::parse(row.text, &why);
    CHECK(hop.has_value() == (row.key != nullptr));
    if (hop && row.key != nullptr) CHECK(hop->key() == row.key);
    if (!hop) CHECK_FALSE(why.empty());
  }
}

TEST_CASE("operate 1: how often a message has been here") {
  struct {
    const char* field;
    std::size_t own;
  } rows[] = {
      {"Received: from a (b [192.0.2.1])\r\n\tby mx.test (Postwain) with ESMTP\r\n\tid 1; x\r\n",
       1},
      {"Received: by MX.test (Postwain, from root with uid 0)\r\n\tid 1; x\r\n", 1},
      {"RECEIVED : by mx.test\r\n (Postwain) id 1; x\r\n", 1},
      {"Received: from by by mx.test (Postwain) with SMTP; x\r\n", 1},
      {"Received: from mx.test by other.test (Postwain) with SMTP; x\r\n", 0},
      {"Received: from a (by mx.test (Postwain)) by b; x\r\n", 0},
      {"Received: from a by mx.test (Postfix) with SMTP; x\r\n", 0},
      {"Received: from a by b.mx.test (Postwain); x\r\n", 0},
      {"Received: from a by b; by mx.test (Postwain)\r\n", 0},
      {"Received: by\r\n", 0},
      {"Received: ((((\r\n", 0},
      {"Subject: x\r\n by mx.test (Postwain)\r\n", 0},
  };
  for (const auto& row : rows) {
    INFO(row.field);
    bool received = row.field[0] == 'R';
    Hops hops =
        count_hops(std::string(row.field) + "\r\nReceived: by mx.test (Postwain)\r\n", "mx.test");
    CHECK(hops.own == row.own);
    CHECK(hops.all == (received ? 1 : 0));
  }
}

TEST_CASE("header fields are counted and unfolded") {
  std::string header =
      "Received: a\r\n by b\r\nRECEIVED : c\r\nSubject: one\r\n\ttwo\r\nReceivedX: "
      "no\r\n\r\nReceived: body\r\n";
  CHECK(header_end(header) == header.find("Received: body"));
  CHECK(count_fields(header, "Received") == 2);
  CHECK(field_value(header, "subject") == "one two");
  CHECK(field_value(header, "from").empty());
  CHECK(header_end("Subject: x\r\n") == std::string_view::npos);
}

TEST_CASE("enhanced codes") {
  CHECK(EnhancedCode::parse("5.1.1").text() == "5.1.1");
  for (const char* bad : {"3.1.1", "5.1", "5.1.1.1", "5.1111.1", "a.b.c", ""})
    CHECK_FALSE(EnhancedCode::parse(bad).present());
  CHECK(Reply{550, {5, 1, 1}, "no\nuser"}.one_line() == "550 5.1.1 no user");
  CHECK(Reply{0, {5, 1, 2}, "no such domain"}.one_line() == "5.1.2 no such domain");
  CHECK(Reply{250, {}, ""}.one_line() == "250");
}

TEST_CASE("the times of the stages add up, and the short ones stay unsaid") {
  using std::chrono::microseconds;
  StageTimes times;
  CHECK(times.text().empty());
  times.add(Stage::connect, microseconds(900));
  times.add(Stage::connect, microseconds(1200));
  times.add(Stage::mail, microseconds(0));  // passed, in no time
  times.add(Stage::rcpt, microseconds(-5));
  StageTimes more;
  more.add(Stage::final_reply, microseconds(7'200'000'000));
  more.add(Stage::connect, microseconds(1000));
  times.add(more);
  CHECK(times.at(Stage::connect) == 3100);
  CHECK(times.at(Stage::mail) == 1);
  CHECK(times.at(Stage::rcpt) == 1);
  CHECK(times.at(Stage::dns) == 0);
  CHECK(times.at(Stage::final_reply) == 4'294'967'295);  // the most it can say: 71 minutes
  CHECK(times.text() == "connect 3 final_reply 4294967");
}

TEST_CASE("S12: lone line ends are found and made whole, however the text is cut") {
  struct {
    std::string_view text;
    bool lone;
    std::string_view whole;
  } rows[] = {
      {"", false, ""},
      {"a\r\nb\r\n", false, "a\r\nb\r\n"},
      {"no end", false, "no end"},
      {"\r\n\r\n", false, "\r\n\r\n"},
      {"a\nb\r\n", true, "a\r\nb\r\n"},
      {"a\rb\r\n", true, "a\r\nb\r\n"},
      {"a\r", true, "a\r\n"},
      {"\n", true, "\r\n"},
      {"a\r\r\n", true, "a\r\n\r\n"},
      {"a\r\n\n", true, "a\r\n\r\n"},
      {"a\n\r\n", true, "a\r\n\r\n"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(mail::has_lone_line_end(row.text) == row.lone);
    CHECK(mail::whole_line_ends(row.text) == row.whole);
    for (std::size_t first = 0; first <= row.text.size(); ++first)
      for (std::size_t second = first; second <= row.text.size(); ++second) {
        mail::LineEnds ends;
        ends.take(row.text.substr(0, first));
        ends.take(row.text.substr(first, second - first));
        ends.take(row.text.substr(second));
        CHECK(ends.has_lone() == row.lone);
      }
  }
}

TEST_CASE("S2: ids of others that lie far ahead do not decide what ours are like") {
  WallTime now = from_unix_ms(1795923000000);
  mail::QueueIdSource ids(0);
  ids.pass(mail::QueueId{mail::QueueId::kLast}, now);
  mail::QueueId first = ids.next(now);
  CHECK(first.made_at() == now);
  ids.pass(mail::QueueId::first_of(now + std::chrono::seconds(61)), now);
  CHECK(ids.next(now).made_at() == now);
  mail::QueueId near = mail::QueueId::first_of(now + std::chrono::seconds(59));
  ids.pass(near, now);
  CHECK(ids.next(now) > near);
  CHECK(mail::QueueId::first_of(from_unix_ms(0)).value == 0);
  CHECK(mail::QueueId::first_of(from_unix_ms(INT64_MAX)).value <= mail::QueueId::kLast);
  CHECK(first.with_worker(mail::kDropWorker).worker() == mail::kDropWorker);
  CHECK(first.with_worker(mail::kDropWorker).made_at() == now);
}
