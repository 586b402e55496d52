// LMTP (RFC 2033): one reply for each accepted recipient, in RCPT order.
#include <catch2/catch.hpp>

#include "tests/unit/smtp/client_harness.h"

using namespace postwain;
using namespace postwain::smtp;
using namespace postwain::smtp::test;

namespace {

const ClientOptions kOptions{.dialect = &kLmtp};

Cuts any_cuts() {
  return GENERATE(Cuts::whole, Cuts::bytes, Cuts::random);
}

const Message kFour("s@x", {"a@y", "b@y", "c@y", "d@y"}, "hi\r\n");
const Message kTwice("s@x", {"a@y", "b@y", "a@y"}, "hi\r\n");

}  // namespace

TEST_CASE("LMTP: each recipient by its own reply, the moment it arrives") {
  auto client = ready_client(kPipelineHello, any_cuts(), kOptions);
  client->give(kFour, 1);
  client->hear("250 ok\r\n250 ok\r\n550 who\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  CHECK(client->happened() == Events{"1/1 failed rcpt recipient 550"});
  client->sent();
  client->hear("250 2.1.5 a\r\n");
  CHECK(client->happened() == Events{"1/0 delivered final_reply nobody 250"});
  client->hear("452 4.2.2 full\r\n");
  CHECK(client->happened() == Events{"1/2 deferred final_reply recipient 452"});
  client->hear("550 5.2.1 off\r\n");
  CHECK(client->happened() == Events{"1/3 failed final_reply recipient 550", "finished 1"});
  CHECK(client->engine.idle());
}

TEST_CASE("LMTP: an address that stands twice has two replies") {
  auto client = ready_client(kPipelineHello, any_cuts(), kOptions);
  client->give(kTwice, 1);
  client->hear("250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  client->hear("250 one\r\n452 two\r\n250 three\r\n");
  CHECK(client->happened() == Events{"1/0 delivered final_reply nobody 250",
                                     "1/1 deferred final_reply recipient 452",
                                     "1/2 delivered final_reply nobody 250", "finished 1"});
}

TEST_CASE("LMTP: the connection breaks after k of n replies") {
  for (std::size_t k = 0; k <= 4; ++k) {
    CAPTURE(k);
    auto client = ready_client(kPipelineHello, Cuts::whole, kOptions);
    client->give(kFour, 1);
    client->hear("250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
    for (std::size_t i = 0; i < k; ++i) client->hear("250 ok\r\n");
    client->engine.lost("gone");
    client->pump();
    Events events = client->happened();
    for (std::size_t i = 0; i < 4; ++i)
      CHECK(events[i] == "1/" + std::to_string(i) +
                             (i < k    ? " delivered final_reply nobody 250"
                              : i == k ? " deferred final_reply destination 4.4.2 in_doubt"
                                       : " deferred final_reply nobody 4.4.0 in_doubt"));
    CHECK(events[4] == "finished 1");
  }
}

TEST_CASE("LMTP: all recipients refused") {
  auto client = ready_client(kPipelineHello, any_cuts(), kOptions);
  client->give(kTwice, 1);
  client->sent();
  client->hear("250 ok\r\n550 a\r\n550 b\r\n450 c\r\n");
  CHECK(client->happened() == Events{"1/0 failed rcpt recipient 550",
                                     "1/1 failed rcpt recipient 550",
                                     "1/2 deferred rcpt recipient 450"});
  SECTION("DATA is refused, as it must be") {
    client->hear("503 nobody\r\n");
    CHECK(client->happened() == Events{"finished 1"});
    CHECK(client->engine.idle());
  }
  SECTION("354 all the same: a lone dot, and the connection is not used again") {
    client->hear("354 go\r\n");
    CHECK(client->sent() == ".\r\nQUIT\r\n");
    CHECK(client->happened().front() == "finished 1");
    CHECK_FALSE(client->engine.usable());
  }
}

TEST_CASE("LMTP: all recipients refused without PIPELINING, so there is no DATA") {
  auto client = ready_client(kPlainHello, any_cuts(), kOptions);
  client->give(kTwice, 1);
  client->hear("250 ok\r\n");
  for (int i = 0; i < 3; ++i) client->hear("550 no\r\n");
  CHECK(client->sent() == "MAIL FROM:<s@x>\r\nRCPT TO:<a@y>\r\nRCPT TO:<b@y>\r\nRCPT TO:<a@y>\r\n");
  CHECK(client->happened().back() == "finished 1");
}

TEST_CASE("LMTP: DATA refused concerns every accepted recipient, with one reply") {
  auto client = ready_client(kPipelineHello, any_cuts(), kOptions);
  client->give(kTwice, 1);
  client->hear("250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n451 later\r\n");
  CHECK(client->happened() == Events{"1/1 failed rcpt recipient 550",
                                     "1/0 deferred data message 451",
                                     "1/2 deferred data message 451", "finished 1"});
}

TEST_CASE("LMTP: BDAT LAST has one reply per accepted recipient as well") {
  auto client =
      ready_client("250-there\r\n250-PIPELINING\r\n250 CHUNKING\r\n", any_cuts(), kOptions);
  client->give(kTwice, 1);
  CHECK(client->sent() ==
        "MAIL FROM:<s@x>\r\nRCPT TO:<a@y>\r\nRCPT TO:<b@y>\r\nRCPT TO:<a@y>\r\n"
        "BDAT 4 LAST\r\nhi\r\n");
  client->hear("250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n250 one\r\n452 two\r\n");
  CHECK(client->happened() == Events{"1/1 failed rcpt recipient 550",
                                     "1/0 delivered final_reply nobody 250",
                                     "1/2 deferred final_reply recipient 452", "finished 1"});
}

TEST_CASE("LMTP: too many replies end the session") {
  auto client = ready_client(kPipelineHello, Cuts::whole, kOptions);
  client->give(kTwice, 1);
  client->hear("250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 1\r\n250 2\r\n250 3\r\n");
  client->happened();
  client->hear("250 4\r\n");
  CHECK_FALSE(client->engine.usable());
}
