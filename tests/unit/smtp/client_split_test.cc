// More recipients than a server takes at once: the others follow in transactions of their own.
#include <catch2/catch.hpp>

#include "tests/unit/smtp/client_harness.h"

using namespace postwain;
using namespace postwain::smtp;
using namespace postwain::smtp::test;

namespace {

Cuts any_cuts() {
  return GENERATE(Cuts::whole, Cuts::bytes, Cuts::random);
}

const std::string kMail = "MAIL FROM:<a@x>\r\n";

std::string rcpt(const std::string& who) {
  return "RCPT TO:<" + who + ">\r\n";
}

Message to(std::vector<std::string> recipients) {
  return Message("a@x", recipients, "hi\r\n");
}

}  // namespace

TEST_CASE("a full transaction: two now, two then, pipelined") {
  auto client = ready_client(kPipelineHello, any_cuts());
  Message message = to({"b@y", "c@y", "d@y", "e@y"});
  client->give(message, 1);
  client->sent();
  client->hear("250 ok\r\n250 ok\r\n250 ok\r\n452 4.5.3 full\r\n552 too many\r\n354 go\r\n");
  CHECK(client->sent() == "hi\r\n.\r\n");
  client->hear("250 done\r\n");
  CHECK(client->happened() ==
        Events{"1/0 delivered final_reply nobody 250", "1/1 delivered final_reply nobody 250"});
  CHECK(client->sent() == kMail + rcpt("d@y") + rcpt("e@y") + "DATA\r\n");
  client->hear("250 ok\r\n250 ok\r\n550 5.1.1 no\r\n354 go\r\n");
  CHECK(client->sent() == "hi\r\n.\r\n");
  client->hear("250 done\r\n");
  CHECK(client->happened() == Events{"1/3 failed rcpt recipient 550",
                                     "1/2 delivered final_reply nobody 250", "finished 1"});
}

TEST_CASE("a full transaction, one command at a time and by LMTP") {
  ClientOptions lmtp;
  lmtp.dialect = &kLmtp;
  auto client = ready_client(kPlainHello, any_cuts(), lmtp);
  Message message = to({"b@y", "c@y"});
  client->give(message, 1);
  for (const char* reply : {"250 ok", "250 ok", "452 4.5.3 full", "354 go", "250 done"})
    client->hear(std::string(reply) + "\r\n");
  CHECK(client->happened() == Events{"1/0 delivered final_reply nobody 250"});
  CHECK(client->sent().find("hi\r\n.\r\n" + kMail) != std::string::npos);
  for (const char* reply : {"250 ok", "250 ok", "354 go", "451 4.2.0 later"})
    client->hear(std::string(reply) + "\r\n");
  CHECK(client->happened() == Events{"1/1 deferred final_reply recipient 451", "finished 1"});
  CHECK(client->sent() == rcpt("c@y") + "DATA\r\nhi\r\n.\r\n");
}

TEST_CASE("452 to the first, or about the mailbox, is about the recipient") {
  Message message = to({"b@y", "c@y"});
  auto client = ready_client(kPipelineHello, any_cuts());
  client->give(message, 1);
  client->hear("250 ok\r\n452 4.5.3 full\r\n452 4.5.3 full\r\n503 5.5.1 none\r\n");
  CHECK(client->happened().back() == "finished 1");
  CHECK(client->outcomes.size() == 2);
  client = ready_client(kPipelineHello, any_cuts());
  client->give(message, 1);
  client->hear("250 ok\r\n250 ok\r\n452 4.2.2 over quota\r\n354 go\r\n250 done\r\n");
  CHECK(client->happened() == Events{"1/1 deferred rcpt recipient 452",
                                     "1/0 delivered final_reply nobody 250", "finished 1"});
}

TEST_CASE("LIMITS RCPTMAX and RCPTDOMAINMAX are obeyed before anybody complains") {
  auto client = ready_client("250-x\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=2 RCPTDOMAINMAX=1\r\n",
                             any_cuts());
  Message message = to({"b@y", "c@z", "d@Y", "e@y"});
  client->give(message, 1);
  CHECK(client->sent() == kMail + rcpt("b@y") + rcpt("d@Y") + "DATA\r\n");
  client->hear("250 ok\r\n550 no\r\n550 no\r\n503 5.5.1 nobody\r\n");
  CHECK(client->happened() ==
        Events{"1/0 failed rcpt recipient 550", "1/2 failed rcpt recipient 550"});
  CHECK(client->sent() == "RSET\r\n" + kMail + rcpt("c@z") + "DATA\r\n");
  client->hear("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 done\r\n");
  CHECK(client->sent() == "hi\r\n.\r\n" + kMail + rcpt("e@y") + "DATA\r\n");
  client->hear("250 ok\r\n250 ok\r\n451 4.3.0 not now\r\n");
  CHECK(client->happened() == Events{"1/1 delivered final_reply nobody 250",
                                     "1/3 deferred data message 451", "finished 1"});
}

TEST_CASE("a split message goes behind the one whose envelope is on its way") {
  auto client = ready_client(kPipelineHello, any_cuts());
  Message split = to({"b@y", "c@y"});
  Message next = to({"n@y"});
  client->give(split, 1);
  client->give(next, 2);
  client->sent();
  client->hear("250 ok\r\n250 ok\r\n452 4.5.3 full\r\n354 go\r\n");
  CHECK(client->sent() == "hi\r\n.\r\n" + kMail + rcpt("n@y") + "DATA\r\n");
  client->hear("250 done\r\n");
  client->hear("250 ok\r\n250 ok\r\n354 go\r\n");
  CHECK(client->sent() == "hi\r\n.\r\n" + kMail + rcpt("c@y") + "DATA\r\n");
  client->hear("250 done\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  CHECK(client->sent() == "hi\r\n.\r\n");
  client->hear("250 done\r\n");
  CHECK(client->happened() == Events{"1/0 delivered final_reply nobody 250",
                                     "2/0 delivered final_reply nobody 250", "finished 2",
                                     "1/1 delivered final_reply nobody 250", "finished 1"});
}

TEST_CASE("a split message by BDAT, and asked for in chunks") {
  auto client = ready_client("250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n", any_cuts());
  Message message = to({"b@y", "c@y"});
  client->give(message, 1);
  CHECK(client->sent() == kMail + rcpt("b@y") + rcpt("c@y") + "BDAT 4 LAST\r\nhi\r\n");
  client->hear("250 ok\r\n250 ok\r\n452 4.5.3 full\r\n250 done\r\n");
  CHECK(client->sent() == kMail + rcpt("c@y") + "BDAT 4 LAST\r\nhi\r\n");
  client->hear("250 ok\r\n250 ok\r\n250 done\r\n");
  CHECK(client->happened().back() == "finished 1");

  client = ready_client(kPipelineHello, any_cuts());
  message.inlined = false;
  client->give(message, 1);
  for (int round = 0; round < 2; ++round) {
    client->sent();
    client->hear(round == 0 ? "250 ok\r\n250 ok\r\n452 4.5.3 full\r\n354 go\r\n"
                            : "250 ok\r\n250 ok\r\n354 go\r\n");
    CHECK(client->happened() == Events{"want_content 1"});
    client->engine.give_content(1, "hi\r\n", true);
    client->pump();
    CHECK(client->sent() == "hi\r\n.\r\n");
    client->hear("250 done\r\n");
    Events events = client->happened();
    CHECK(events.front() == "1/" + std::to_string(round) + " delivered final_reply nobody 250");
    CHECK((events.back() == "finished 1") == (round == 1));
  }
}

TEST_CASE("a connection that breaks leaves only those in doubt who got the content") {
  auto client = ready_client(kPipelineHello, any_cuts());
  Message message = to({"b@y", "c@y"});
  client->give(message, 1);
  client->hear("250 ok\r\n250 ok\r\n452 4.5.3 full\r\n354 go\r\n");
  client->engine.lost("reset");
  client->pump();
  Events events = client->happened();
  REQUIRE(events.size() >= 3);
  CHECK(events[0].find("1/1 deferred") == 0);
  CHECK(events[0].find("in_doubt") == std::string::npos);
  CHECK(events[1].find("1/0 deferred final_reply") == 0);
  CHECK(events[1].find("in_doubt") != std::string::npos);
}

TEST_CASE("postponed recipients have one outcome each, whatever ends the session") {
  const std::string hello = "250-x\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=1\r\n";
  auto outcomes = [](const Events& events) {
    std::size_t count = 0;
    for (const std::string& event : events) count += event.find("1/") == 0 ? 1 : 0;
    return count;
  };
  SECTION("MAIL is refused, then the connection breaks") {
    auto client = ready_client(hello, any_cuts());
    Message message = to({"b@y", "c@y"});
    client->give(message, 1);
    client->hear("550 no\r\n");
    client->engine.lost("reset");
    client->pump();
    CHECK(outcomes(client->happened()) == 2);
  }
  SECTION("the process gives it up in its content") {
    auto client = ready_client(hello, any_cuts());
    Message message = to({"b@y", "c@y"});
    message.inlined = false;
    client->give(message, 1);
    client->hear("250 ok\r\n250 ok\r\n354 go\r\n");
    client->engine.abandon("stopping");
    client->pump();
    CHECK(outcomes(client->happened()) == 2);
  }
}
