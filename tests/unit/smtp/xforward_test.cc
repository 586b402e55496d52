// What the next hop is told of the client that a message came from (XFORWARD), and when.
#include <catch2/catch.hpp>

#include "common/smtp/client/xforward.h"
#include "common/smtp/syntax/xclient_attributes.h"
#include "tests/unit/smtp/client_harness.h"

using namespace postwain;
using namespace postwain::smtp;
using namespace postwain::smtp::test;

namespace {

using Lines = std::vector<std::string>;

const std::string kAll = "NAME ADDR PORT PROTO HELO IDENT SOURCE";
const std::string kOffer = "250-there\r\n250-PIPELINING\r\n250 XFORWARD " + kAll + "\r\n";
const std::string kOneByOne = "250-there\r\n250 XFORWARD ADDR HELO\r\n";
const Message kOne("a@x.example", {"b@y.example"}, "one\r\n");
const Message kTwo("c@x.example", {"d@y.example"}, "two\r\n");

ClientOptions telling() {
  ClientOptions options;
  options.xforward = true;
  return options;
}

MessageOrigin stranger() {
  return {"192.0.2.7", "mail.far.example", "ESMTPS", "3ZK01"};
}

void give(Client& client, const Message& message, std::uint64_t key, MessageOrigin origin) {
  Transaction transaction = message.transaction(key);
  transaction.origin = std::move(origin);
  client.queue.push_back(std::move(transaction));
  client.pump();
}

std::string only_line(const MessageOrigin& origin, const std::string& offer = kAll) {
  Lines lines = xforward_commands(origin, XforwardOffer::parse(offer));
  REQUIRE(lines.size() == 1);
  return lines.front();
}

}  // namespace

TEST_CASE("all that is offered is told, and what is not known is said to be so") {
  CHECK(only_line(stranger()) ==
        "XFORWARD NAME=[UNAVAILABLE] ADDR=192.0.2.7 PORT=[UNAVAILABLE] PROTO=ESMTP "
        "HELO=mail.far.example IDENT=3ZK01 SOURCE=REMOTE\r\n");
  CHECK(only_line({{}, {}, "local", "3ZK02"}) ==
        "XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] PORT=[UNAVAILABLE] PROTO=[UNAVAILABLE] "
        "HELO=[UNAVAILABLE] IDENT=3ZK02 SOURCE=LOCAL\r\n");
  CHECK(only_line(stranger(), "HELO addr  X-OTHER addr") ==
        "XFORWARD ADDR=192.0.2.7 HELO=mail.far.example\r\n");
  CHECK(xforward_commands(stranger(), XforwardOffer::parse("X-OTHER")).empty());
  CHECK(xforward_commands(stranger(), {}).empty());
}

TEST_CASE("values are written so that nothing follows from them but the value") {
  struct Row {
    MessageOrigin origin;
    std::string offer;
    std::string line;
  };
  const Row rows[] = {
      {{"2001:db8::1", {}, {}, {}}, "ADDR", "XFORWARD ADDR=IPV6:2001:db8::1\r\n"},
      {{"192.0.2.1 HELO=x", {}, {}, {}}, "ADDR", "XFORWARD ADDR=[UNAVAILABLE]\r\n"},
      {{"dead.beef", {}, {}, {}}, "ADDR", "XFORWARD ADDR=[UNAVAILABLE]\r\n"},
      {{"fe80::1%eth0", {}, {}, {}}, "ADDR", "XFORWARD ADDR=[UNAVAILABLE]\r\n"},
      {{{}, "a b=c+d\r\nQUIT", {}, {}}, "HELO", "XFORWARD HELO=a+20b+3Dc+2Bd+0D+0AQUIT\r\n"},
      {{{}, "[192.0.2.1]", {}, {}}, "HELO", "XFORWARD HELO=[192.0.2.1]\r\n"},
      {{{}, "m\xc3\xbcller", {}, {}}, "HELO", "XFORWARD HELO=m+C3+BCller\r\n"},
      {{{}, {}, "SMTP", {}}, "PROTO", "XFORWARD PROTO=SMTP\r\n"},
      {{{}, {}, "UTF8SMTPSA", {}}, "PROTO", "XFORWARD PROTO=ESMTP\r\n"},
      {{{}, {}, "LMTPS", {}}, "PROTO", "XFORWARD PROTO=[UNAVAILABLE]\r\n"},
  };
  for (const Row& row : rows) CHECK(only_line(row.origin, row.offer) == row.line);
}

TEST_CASE("no value and no command is longer than the other side has to take") {
  for (const std::string& unit : {std::string("x"), std::string("\xc3\xbc"), std::string(" ")}) {
    MessageOrigin origin = stranger();
    while (origin.hello.size() < 4000) origin.hello += unit;
    origin.ident = origin.hello;
    origin.address = std::string(1000, 'a') + ":";
    Lines lines = xforward_commands(origin, XforwardOffer::parse(kAll));
    CHECK(lines.size() > 1);
    std::string said;
    for (const std::string& line : lines) {
      CHECK(line.size() <= kXforwardLineMax);
      CHECK(line.starts_with("XFORWARD "));
      said += line.substr(8, line.size() - 10);
    }
    for (const char* name : {" NAME=", " ADDR=", " PORT=", " PROTO=", " HELO=", " IDENT="})
      CHECK(said.find(name) != std::string::npos);
    std::size_t begin = said.find(" HELO=") + 6;
    std::string value = said.substr(begin, said.find(' ', begin) - begin);
    CHECK(value.size() <= kXforwardValueMax);
    CHECK(value.size() > kXforwardValueMax - 3);
    // It ends behind a whole code, or the octets would be others.
    CHECK(value.find_last_of('+') != value.size() - 1);
    std::size_t before = stranger().hello.size();
    CHECK((unit == "x" || (value.size() - before) % 3 == 0));
  }
}

TEST_CASE("our own receiving side understands all of it") {
  ClientClaim claim;
  MessageOrigin origin{"2001:db8::1", "m\xc3\xbcller", "ESMTPSA", "3ZK01"};
  for (const std::string& line : xforward_commands(origin, XforwardOffer::parse(kAll)))
    REQUIRE_FALSE(parse_claim(line.substr(9, line.size() - 11), ClaimKind::xforward, claim));
  CHECK(claim.address == "2001:db8::1");
  CHECK(claim.name == "");
  CHECK_FALSE(claim.name_trouble);
  CHECK(claim.extended == true);
}

TEST_CASE("XFORWARD stands in front of each MAIL, with what is true of that message") {
  auto client = ready_client(kOffer, Cuts::whole, telling());
  give(*client, kOne, 1, stranger());
  give(*client, kTwo, 2, {{}, {}, "local", "3ZK02"});
  std::string sent = client->sent();
  CHECK(sent.find("XFORWARD NAME=[UNAVAILABLE] ADDR=192.0.2.7") == 0);
  CHECK(
      sent.find("SOURCE=REMOTE\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n") !=
      std::string::npos);
  client->hear("250 known\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  sent = client->sent();
  CHECK(sent.find("one\r\n.\r\nXFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE]") == 0);
  CHECK(sent.find("SOURCE=LOCAL\r\nMAIL FROM:<c@x.example>\r\n") != std::string::npos);
  client->hear("250 done\r\n250 known\r\n250 ok\r\n250 ok\r\n354 go\r\n250 done\r\n");
  CHECK(client->happened() == Events{"1/0 delivered final_reply nobody 250", "finished 1",
                                     "2/0 delivered final_reply nobody 250", "finished 2"});
}

TEST_CASE("without PIPELINING its reply is awaited") {
  auto client = ready_client(kOneByOne, Cuts::bytes, telling());
  give(*client, kOne, 1, stranger());
  CHECK(client->sent() == "XFORWARD ADDR=192.0.2.7 HELO=mail.far.example\r\n");
  client->hear("250 known\r\n");
  CHECK(client->sent() == "MAIL FROM:<a@x.example>\r\n");
}

TEST_CASE("a server that refuses XFORWARD gets the mail, and hears no more of it") {
  for (const char* refusal : {"550 5.7.0 not from you\r\n", "451 later\r\n", "501 5.5.4 bad\r\n"}) {
    CAPTURE(refusal);
    auto client = ready_client(kOneByOne, Cuts::whole, telling());
    give(*client, kOne, 1, stranger());
    client->sent();
    client->hear(refusal);
    CHECK(client->sent() == "MAIL FROM:<a@x.example>\r\n");
    for (const char* reply : {"250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 done\r\n"})
      client->hear(reply);
    CHECK(client->happened() == Events{"1/0 delivered final_reply nobody 250", "finished 1"});
    client->sent();
    give(*client, kTwo, 2, stranger());
    CHECK(client->sent() == "MAIL FROM:<c@x.example>\r\n");
  }
}

TEST_CASE("421 to XFORWARD ends the session, and the mail is returned") {
  auto client = ready_client(kOneByOne, Cuts::whole, telling());
  give(*client, kOne, 1, stranger());
  client->hear("421 4.3.2 closing\r\n");
  Events happened = client->happened();
  REQUIRE(happened.size() == 2);
  CHECK(happened.front().starts_with("returned 1 deferred mail"));
  CHECK_FALSE(client->engine.usable());
}

TEST_CASE("where a session ends at XFORWARD the reason names that command, not MAIL") {
  auto client = ready_client(kOneByOne, Cuts::whole, telling());
  give(*client, kOne, 1, stranger());
  std::string why;
  SECTION("the server closes") {
    client->engine.lost("");
    why = "connection lost while waiting for the reply to XFORWARD";
  }
  SECTION("the server is silent") {
    client->engine.timed_out();
    why = "timed out while waiting for the reply to XFORWARD";
  }
  SECTION("the reply is none that XFORWARD can have") {
    client->engine.receive("354 go\r\n");
    why = "unexpected reply while waiting for the reply to XFORWARD: 354 go";
  }
  SECTION("the reply is malformed") {
    client->engine.receive("nonsense\r\n");
    why = "protocol error while waiting for the reply to XFORWARD: ";
  }
  ClientEvent event;
  REQUIRE(client->engine.next(event));
  CHECK(event.kind == ClientEvent::Kind::returned);
  CHECK(event.outcome.stage == mail::Stage::mail);
  CHECK_THAT(event.outcome.reply.text, Catch::Matchers::StartsWith(why));
}

TEST_CASE("who is not to be told is not told, and who does not ask is not") {
  SECTION("the route does not say so") {
    auto client = ready_client(kOffer, Cuts::whole);
    give(*client, kOne, 1, stranger());
    CHECK(client->sent().starts_with("MAIL FROM:"));
  }
  SECTION("the server does not offer it") {
    auto client = ready_client("250 there\r\n", Cuts::whole, telling());
    give(*client, kOne, 1, stranger());
    CHECK(client->sent().starts_with("MAIL FROM:"));
  }
  SECTION("a probe has come from nowhere") {
    auto client = ready_client(kOffer, Cuts::whole, telling());
    Transaction transaction = kOne.transaction(1);
    transaction.origin = stranger();
    transaction.probe = true;
    client->queue.push_back(std::move(transaction));
    client->pump();
    CHECK(client->sent().starts_with("MAIL FROM:"));
  }
}

TEST_CASE("XFORWARD is sent again with a transaction that is sent again") {
  const std::string offer = "250-there\r\n250-PIPELINING\r\n250-DSN\r\n250 XFORWARD ADDR\r\n";
  Message message = kOne;
  message.envelope.envid = "e1";
  auto client = ready_client(offer, Cuts::whole, telling());
  give(*client, message, 1, stranger());
  client->sent();
  client->hear("250 known\r\n555 5.5.4 ENVID\r\n503 MAIL first\r\n503 MAIL first\r\n");
  CHECK(client->sent().starts_with("XFORWARD ADDR=192.0.2.7\r\nMAIL FROM:<a@x.example>\r\nRCPT"));
}

TEST_CASE("of several messages that travel whole, each has its XFORWARD behind its RSET") {
  const std::string offer = "250-there\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 XFORWARD ADDR\r\n";
  auto client = ready_client(offer, Cuts::whole, telling());
  give(*client, kOne, 1, stranger());
  client->hear("250 known\r\n250 ok\r\n250 ok\r\n250 done\r\n");
  client->sent();
  give(*client, kOne, 2, stranger());
  give(*client, kTwo, 3, {{}, {}, "local", {}});
  CHECK(client->sent().find("BDAT 5 LAST\r\none\r\nRSET\r\nXFORWARD ADDR=[UNAVAILABLE]\r\nMAIL "
                            "FROM:<c@x.example>") != std::string::npos);
}
