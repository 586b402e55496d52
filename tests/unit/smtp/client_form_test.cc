// How we asked is no verdict on the mail: what a server refuses or does not understand is asked in
// another way, and told.
#include <catch2/catch.hpp>

#include "tests/unit/smtp/client_harness.h"

using namespace postwain;
using namespace postwain::smtp;
using namespace postwain::smtp::test;

namespace {

const std::string kChunking = "250-there\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
const Message kOne("a@x.example", {"b@y.example"}, "Received: one\r\n\r\nQUIT\r\n");
const Message kTwo("a@x.example", {"b@y.example", "c@y.example"}, "two\r\n");

ClientOptions proving() {
  ClientOptions options;
  options.prove_chunking = true;
  return options;
}

}  // namespace

TEST_CASE("F4: where nobody knows whether BDAT works, its first chunk is one line") {
  auto client = ready_client(kChunking, Cuts::whole, proving());
  client->give(kOne, 1);
  client->give(kTwo, 2);
  CHECK(client->sent() ==
        "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nBDAT 15\r\nReceived: one\r\n");
  CHECK_FALSE(client->engine.past_end(1));
  client->hear("250 ok\r\n250 ok\r\n250 15 octets\r\n");
  CHECK(client->sent() == "BDAT 8 LAST\r\n\r\nQUIT\r\n");
  CHECK(client->engine.proven().has(mail::Ability::chunking));
  client->hear("250 done\r\n");
  CHECK(client->happened() == Events{"1/0 delivered final_reply nobody 250", "finished 1"});
  // From then on whole.
  CHECK(client->sent().find("BDAT 5 LAST\r\ntwo\r\n") != std::string::npos);
}

TEST_CASE("F4: BDAT that is refused as a command: everything is returned, nobody is failed") {
  for (const char* refusal :
       {"500 unknown\r\n", "502 5.5.1 not here\r\n", "503 5.5.1 DATA wanted\r\n"}) {
    CAPTURE(refusal);
    auto client = ready_client(kChunking, Cuts::whole, proving());
    client->give(kOne, 1);
    client->hear(std::string("250 ok\r\n250 ok\r\n") + refusal);
    CHECK(client->happened().at(0) == "lacks chunking");
    CHECK_FALSE(client->engine.usable());
  }
  SECTION("also when it had worked before, with others behind it") {
    auto client = ready_client(kChunking);
    client->give(kOne, 1);
    client->hear("250 ok\r\n250 ok\r\n250 done\r\n");
    client->happened();
    client->give(kOne, 2);
    client->give(kTwo, 3);
    client->hear("250 ok\r\n250 ok\r\n502 5.5.1 what\r\n500 unknown\r\n500 unknown\r\n");
    CHECK(client->happened() == Events{"lacks chunking", "returned 2 deferred data destination 502",
                                       "returned 3 deferred data destination 502",
                                       "unusable deferred data destination 502"});
  }
}

TEST_CASE(
    "F4: BDAT that is refused for the content is a verdict, and so where nobody was accepted") {
  auto client = ready_client(kChunking, Cuts::whole, proving());
  client->give(kOne, 1);
  client->hear("250 ok\r\n250 ok\r\n554 5.7.1 spam\r\n");
  CHECK(client->happened() == Events{"1/0 failed content message 554", "finished 1"});
  client = ready_client(kChunking, Cuts::whole, proving());
  client->give(kOne, 1);
  client->hear("250 ok\r\n550 5.1.1 who\r\n503 5.5.1 nobody\r\n");
  CHECK(client->happened() == Events{"1/0 failed rcpt recipient 550", "finished 1"});
  CHECK(client->engine.usable());
}

TEST_CASE("F4: what the route avoids is not used though it is offered") {
  ClientOptions options;
  options.avoid.add(mail::Ability::chunking);
  options.avoid.add(mail::Ability::pipelining);
  options.avoid.add(mail::Ability::size);
  auto client = ready_client("250-there\r\n250-PIPELINING\r\n250-SIZE 100\r\n250 CHUNKING\r\n",
                             Cuts::whole, options);
  client->give(kOne, 1);
  CHECK(client->sent() == "MAIL FROM:<a@x.example>\r\n");
  CHECK(client->engine.peer().size_limit == 100);
}

TEST_CASE(
    "D8: a parameter of MAIL that was offered and is refused is left out, and MAIL said again") {
  Message message("a@x.example", {"b@y.example"}, "hi\r\n");
  message.eight_bit = true;
  message.content = "Subject: x\r\n\r\nh\xc3\xa4\r\n";
  message.envelope.envid = "e1";
  const std::string all = "250-there\r\n250-SIZE\r\n250-DSN\r\n250-8BITMIME\r\n250 PIPELINING\r\n";
  SECTION("the reply names it") {
    auto client = ready_client(all, Cuts::whole);
    client->give(message, 1);
    client->sent();
    client->hear("555 5.5.4 Unsupported option: SIZE=5\r\n503 MAIL first\r\n503 MAIL first\r\n");
    std::string again = client->sent();
    CHECK(again.find("SIZE") == std::string::npos);
    CHECK(again.find("BODY=8BITMIME ENVID=e1") != std::string::npos);
    client->hear("250 ok\r\n");
    CHECK(client->happened() == Events{"lacks size"});
    client->hear("250 ok\r\n354 go\r\n");
    client->hear("250 done\r\n");
    CHECK(client->happened().back() == "finished 1");
  }
  SECTION("it does not: one after the other, the content in 7 bits at last") {
    auto client = ready_client(all, Cuts::whole);
    client->give(message, 1);
    client->hear("501 syntax\r\n503 no\r\n503 no\r\n");
    client->hear("501 syntax\r\n503 no\r\n503 no\r\n");
    client->sent();
    client->hear("501 syntax\r\n503 no\r\n503 no\r\n");
    CHECK(client->sent().find("MAIL FROM:<a@x.example>\r\n") == 0);
    client->hear("250 ok\r\n250 ok\r\n354 go\r\n");
    CHECK(client->sent().find("=C3=A4") != std::string::npos);
    CHECK(client->happened() == Events{"lacks 8bitmime"});
  }
  SECTION("nothing is left to leave out: the reply is the verdict, and nothing is learned") {
    auto client = ready_client("250-there\r\n250 SIZE\r\n");
    client->give(kOne, 1);
    client->hear("501 bad\r\n");
    client->hear("501 bad\r\n");
    CHECK(client->happened() == Events{"1/0 failed mail sender 501", "finished 1"});
  }
  SECTION("a status about the address is a verdict at once") {
    auto client = ready_client("250-there\r\n250 SIZE\r\n");
    client->give(kOne, 1);
    client->hear("501 5.1.7 bad address\r\n");
    CHECK(client->happened() == Events{"1/0 failed mail sender 501", "finished 1"});
  }
}

TEST_CASE("D8: a parameter of RCPT that is refused is left out in a transaction behind it") {
  Message message("a@x.example", {"b@y.example", "c@y.example"}, "hi\r\n");
  message.recipients[1].notify.bits = mail::Notify::never;
  auto client = ready_client("250-there\r\n250-PIPELINING\r\n250 DSN\r\n");
  client->give(message, 1);
  client->hear("250 ok\r\n250 ok\r\n501 5.5.4 NOTIFY\r\n354 go\r\n");
  client->hear("250 done\r\n");
  CHECK(client->happened() == Events{"1/0 delivered final_reply nobody 250"});
  std::string again = client->sent();
  CHECK(again.find("RCPT TO:<c@y.example>\r\n") != std::string::npos);
  CHECK(again.find("RCPT TO:<b@y.example>\r\n", again.find("MAIL FROM", 30)) == std::string::npos);
  client->hear("250 ok\r\n250 ok\r\n354 go\r\n");
  client->hear("250 done\r\n");
  CHECK(client->happened() ==
        Events{"lacks dsn", "1/1 delivered final_reply nobody 250", "finished 1"});
}

TEST_CASE("F7: silence behind a flight makes PIPELINING suspect, unless it was seen working") {
  for (bool lost : {false, true}) {
    auto client = ready_client(kPipelineHello);
    client->give(kOne, 1);
    client->hear("250 ok\r\n");  // to MAIL; the rest was thrown away
    lost ? client->engine.lost("") : client->engine.timed_out();
    client->pump();
    CHECK(client->happened().at(0) == "suspected pipelining");
  }
  auto client = ready_client(kPipelineHello);
  client->give(kTwo, 1);
  client->hear("250 ok\r\n250 ok\r\n");
  client->engine.timed_out();
  client->pump();
  Events happened = client->happened();
  CHECK(happened.at(0) == "1/0 deferred rcpt nobody 4.4.0");
  CHECK(happened.at(1) == "1/1 deferred rcpt destination 4.4.2");
}

TEST_CASE("F5: in clear after a failed handshake a refusal means later") {
  for (bool failed : {true, false}) {
    ClientOptions options;
    options.clear_after_tls = failed;
    auto client = ready_client(kPlainHello, Cuts::whole, options);
    client->give(kOne, 1);
    client->hear("550 5.7.10 encryption needed\r\n");
    CHECK(client->engine.clear_was_refused() == failed);
    CHECK(client->engine.usable() == !failed);
    CHECK(client->happened().at(0) ==
          (failed ? "returned 1 deferred mail destination 550" : "1/0 failed mail sender 550"));
  }
  ClientOptions options;
  options.clear_after_tls = true;
  auto client = ready_client(kPlainHello, Cuts::whole, options);
  client->give(kOne, 1);
  client->hear("250 ok\r\n");
  client->hear("550 5.1.1 no such user\r\n");  // a verdict all the same
  CHECK(client->happened().at(0) == "1/0 failed rcpt recipient 550");
}

TEST_CASE("F5: a STARTTLS that was refused counts as a failed handshake") {
  Client client;
  client.hear("220 hi\r\n");
  client.hear("250-there\r\n250 STARTTLS\r\n");
  client.hear("454 4.7.0 busy\r\n");
  client.happened();
  client.give(kOne, 1);
  client.hear("530 5.7.0 Must issue a STARTTLS command first\r\n");
  CHECK(client.happened().at(0) == "returned 1 deferred mail destination 530");
}

TEST_CASE("F9: what ends the session behind the handshake ends the handshake") {
  auto behind = [] {
    auto client = std::make_unique<Client>();
    client->hear("220 hi\r\n");
    client->hear("250-there\r\n250 STARTTLS\r\n");
    client->hear("220 go\r\n");
    client->engine.tls_started();
    client->pump();
    client->happened();
    return client;
  };
  auto client = behind();
  client->engine.lost("TLS: tlsv13 alert certificate required");
  client->pump();
  CHECK(client->happened() == Events{"unusable deferred tls destination 4.4.2"});
  client = behind();
  client->hear("554 5.7.0 a certificate is needed\r\n");
  CHECK(client->happened() == Events{"unusable deferred tls destination 554"});
  client = behind();
  client->hear("421 4.3.2 busy\r\n");  // no reason to go in clear
  CHECK(client->happened() == Events{"unusable deferred hello destination 421"});
}

TEST_CASE("F11: with TLS from the first byte the greeting comes behind the handshake") {
  ClientOptions options;
  options.implicit_tls = true;
  Client client(options);
  client.pump();
  CHECK(client.happened() == Events{"start_tls"});
  CHECK(client.sent().empty());
  client.engine.tls_started();
  client.pump();
  CHECK(client.sent().empty());
  CHECK(client.engine.wait() == Wait::command);
  client.hear("220 hi\r\n");
  CHECK(client.sent() == "EHLO us.example\r\n");
  client.hear("250-there\r\n250 STARTTLS\r\n");
  CHECK(client.happened() == Events{"ready"});
}

TEST_CASE("F10: a refusal during the content is the verdict, also where the peer goes on reading") {
  Message large("a@x.example", {"b@y.example"}, "");
  large.inlined = false;
  auto client = ready_client(kPipelineHello);
  client->give(large, 1);
  client->hear("250 ok\r\n250 ok\r\n354 go\r\n");
  client->happened();
  client->engine.give_content(1, "much", false);
  client->hear("552 5.3.4 too big\r\n");
  CHECK(client->happened() == Events{"1/0 failed content message 552", "finished 1",
                                     "unusable deferred content destination 4.5.0"});
}

TEST_CASE("D1, D3: over quota is a verdict, too many recipients is later") {
  struct Row {
    const char* reply;
    const char* want;
  };
  for (Row row : {Row{"552 5.2.2 over quota\r\n", "1/1 failed rcpt recipient 552"},
                  Row{"552 full\r\n", ""}, Row{"550 5.5.3 too many\r\n", ""},
                  Row{"554 5.5.3 too many\r\n", ""}, Row{"550 Too many recipients\r\n", ""},
                  Row{"452 4.2.2 over quota\r\n", "1/1 deferred rcpt recipient 452"}}) {
    CAPTURE(row.reply);
    auto client = ready_client(kPipelineHello);
    client->give(kTwo, 1);
    client->hear(std::string("250 ok\r\n250 ok\r\n") + row.reply + "354 go\r\n");
    client->hear("250 done\r\n");
    Events events = client->happened();
    if (*row.want != '\0')
      CHECK(events.at(0) == row.want);
    else
      CHECK(events == Events{"1/0 delivered final_reply nobody 250"});  // he is asked again
  }
  // The first one: later, not never.
  auto client = ready_client(kPipelineHello);
  client->give(kOne, 1);
  client->hear("250 ok\r\n550 5.5.3 too many\r\n503 no\r\n");
  CHECK(client->happened().at(0) == "1/0 deferred rcpt recipient 550");
}

TEST_CASE("D2: a line that is no reply is shown") {
  auto client = ready_client(kPipelineHello);
  client->give(kOne, 1);
  client->hear("550-5.7.1 Blocked, see\r\nhttp://list.example/\r\n550 5.7.1 end\r\n");
  CHECK(client->engine.usable() == false);
  Events events = client->happened();
  CHECK(events.back() == "unusable deferred mail destination 4.5.0");
  ReplyParser parser;
  std::string_view bytes = "550-a\r\nhttp://list.example/\r\n";
  CHECK(parser.parse(bytes) == ReplyParser::State::broken);
  CHECK(parser.why_broken() == "not a reply: 'http://list.example/'");
}

TEST_CASE("D9: 521 at the greeting is for good (RFC 7504)") {
  Client client;
  client.hear("521 peer.example accepts no mail\r\n");
  CHECK(client.happened() == Events{"unusable failed greeting dns 521"});
}
