#include <catch2/catch.hpp>

#include "tests/unit/smtp/client_harness.h"

using namespace postwain;
using namespace postwain::smtp;
using namespace postwain::smtp::test;

namespace {

PeerExtensions everything() {
  return PeerExtensions::parse(
      "x\nPIPELINING\nSIZE 1000\n8BITMIME\nSMTPUTF8\nDSN\nCHUNKING\nBINARYMIME");
}

std::string mail_line(const Message& message, const PeerExtensions& peer) {
  std::string out;
  append_mail(out, message.transaction(1), peer);
  return out;
}

std::string rcpt_line(const Message& message, const PeerExtensions& peer) {
  std::string out;
  append_rcpt(out, message.recipients[0], peer, says_smtputf8(message.transaction(1), peer));
  return out;
}

}  // namespace

TEST_CASE("parameters leave only when they are offered") {
  Message message("a@x", {"b@y"}, "h\xC3\xA9\r\n");
  message.eight_bit = true;
  message.envelope.ret = mail::DsnReturn::headers;
  message.envelope.envid = "id+1 =";
  message.recipients[0].notify.bits = mail::Notify::success | mail::Notify::delay;
  message.recipients[0].orcpt = "rfc822;b+c@y";
  CHECK(mail_line(message, {}) == "MAIL FROM:<a@x>\r\n");
  CHECK(rcpt_line(message, {}) == "RCPT TO:<b@y>\r\n");
  CHECK(mail_line(message, everything()) ==
        "MAIL FROM:<a@x> SIZE=5 BODY=8BITMIME RET=HDRS ENVID=id+2B1+20+3D\r\n");
  CHECK(rcpt_line(message, everything()) ==
        "RCPT TO:<b@y> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bc@y\r\n");
  message.recipients[0].notify.bits = mail::Notify::never;
  message.recipients[0].orcpt.clear();
  CHECK(rcpt_line(message, everything()) == "RCPT TO:<b@y> NOTIFY=NEVER\r\n");
}

TEST_CASE("SMTPUTF8 when an address needs it or the sender asked for it") {
  Message plain("a@x", {"b@y"}, "x\r\n");
  CHECK(mail_line(plain, everything()) == "MAIL FROM:<a@x> SIZE=3\r\n");
  Message recipient("a@x", {"b\xC3\xA9@y"}, "x\r\n");
  CHECK(mail_line(recipient, everything()) == "MAIL FROM:<a@x> SIZE=3 SMTPUTF8\r\n");
  plain.envelope.smtputf8 = true;
  CHECK(mail_line(plain, everything()) == "MAIL FROM:<a@x> SIZE=3 SMTPUTF8\r\n");
  Message bounce("", {"b@y"}, "x\r\n");
  CHECK(mail_line(bounce, {}) == "MAIL FROM:<>\r\n");
}

TEST_CASE("receive 40, deliver D5: a domain in UTF-8 goes out as A-label without SMTPUTF8") {
  PeerExtensions ascii = PeerExtensions::parse("x\n8BITMIME");
  Message message(
      "a@b\xC3\xBC"
      "cher.example",
      {"info@B\xC3\x9C"
       "CHER.example"},
      "x\r\n");
  CHECK(mail_line(message, ascii) == "MAIL FROM:<a@xn--bcher-kva.example>\r\n");
  CHECK(rcpt_line(message, ascii) == "RCPT TO:<info@xn--bcher-kva.example>\r\n");
  CHECK_FALSE(unfit_message(message.transaction(1), ascii));
  CHECK_FALSE(unfit_recipient(message.recipients[0], ascii));
  // To who can, it goes as it was said.
  CHECK(mail_line(message, everything()) ==
        "MAIL FROM:<a@b\xC3\xBC"
        "cher.example> SIZE=3 SMTPUTF8\r\n");
  Message local("j\xC3\xB8@x", {"j\xC3\xB8@y"}, "x\r\n");
  CHECK(unfit_message(local.transaction(1), ascii)->reply.enhanced == mail::EnhancedCode{5, 6, 7});
  CHECK(unfit_recipient(local.recipients[0], ascii)->reply.enhanced == mail::EnhancedCode{5, 6, 7});
}

TEST_CASE("UTF-8 stands in ORCPT as it is only where MAIL said SMTPUTF8") {
  Message message("a@x", {"b@y"}, "x\r\n");
  message.recipients[0].orcpt = "utf-8;j\xC3\xB8@y";
  CHECK(rcpt_line(message, everything()) == "RCPT TO:<b@y> ORCPT=utf-8;j\\x{F8}@y\r\n");
  message.envelope.smtputf8 = true;
  CHECK(rcpt_line(message, everything()) == "RCPT TO:<b@y> ORCPT=utf-8;j\xC3\xB8@y\r\n");
}

TEST_CASE("REQUIRETLS goes to a server that offers it under TLS, or not at all") {
  Message message("a@x", {"b@y"}, "x\r\n");
  PeerExtensions plain = everything();
  PeerExtensions offers = plain;
  offers.require_tls = true;
  CHECK(PeerExtensions::parse("x\nREQUIRETLS").require_tls);
  CHECK_FALSE(plain.require_tls);
  CHECK(mail_line(message, offers) == "MAIL FROM:<a@x> SIZE=3\r\n");
  message.envelope.require_tls = true;
  CHECK(mail_line(message, offers) == "MAIL FROM:<a@x> SIZE=3 REQUIRETLS\r\n");
  CHECK_FALSE(unfit_for_require_tls(offers, true));
  for (const auto& outcome :
       {unfit_for_require_tls(offers, false), unfit_for_require_tls(plain, true)}) {
    REQUIRE(outcome);
    CHECK(outcome->disposition == mail::Disposition::failed);
    CHECK(outcome->reply.enhanced == mail::EnhancedCode{5, 7, 30});
  }
}

TEST_CASE("a session for REQUIRETLS ends where the next hop does not offer it in TLS") {
  Client clear({.require_tls = true});
  clear.hear("220 hi\r\n250-hi\r\n250 REQUIRETLS\r\n");  // in clear the offer does not count
  CHECK(clear.happened() == Events{"unusable failed mail message 5.7.30"});
  for (bool offered : {false, true}) {
    CAPTURE(offered);
    Client client({.tls = TlsUse::required, .require_tls = true});
    client.hear("220 hi\r\n250-hi\r\n250 STARTTLS\r\n220 go\r\n");
    client.engine.tls_started();
    client.pump();
    client.happened();
    client.hear(offered ? "250-hi\r\n250 REQUIRETLS\r\n" : "250 hi\r\n");
    CHECK(client.happened() == Events{offered ? "ready" : "unusable failed mail message 5.7.30"});
  }
}

TEST_CASE("what the peer cannot take fails here") {
  struct Row {
    std::string name;
    std::string hello;
    std::string from;
    std::vector<std::string> to;
    bool eight_bit;
    Events want;
    std::string sent;
  };
  const std::vector<Row> rows = {
      {"too large",
       "250-x\r\n250 SIZE 2\r\n",
       "a@x",
       {"b@y"},
       false,
       {"1/0 failed mail message 5.3.4", "finished 1"},
       ""},
      {"SIZE without a limit",
       "250-x\r\n250 SIZE 0\r\n",
       "a@x",
       {"b@y"},
       false,
       {},
       "MAIL FROM:<a@x> SIZE=6\r\n"},
      {"8-bit content",
       "250 x\r\n",
       "a@x",
       {"b@y"},
       true,
       {},  // is made 7-bit
       "MAIL FROM:<a@x>\r\n"},
      {"UTF-8 sender",
       "250 x\r\n",
       "\xC3\xA9@x",
       {"b@y"},
       false,
       {"1/0 failed mail message 5.6.7", "finished 1"},
       ""},
      {"one UTF-8 recipient of two",
       "250 x\r\n",
       "a@x",
       {"\xC3\xA9@y", "b@y"},
       false,
       {"1/0 failed rcpt recipient 5.6.7"},
       "MAIL FROM:<a@x>\r\n"},
      {"a line end in an address",
       "250 x\r\n",
       "a@x",
       {"b\r\nDATA\r\n@y"},
       false,
       {"1/0 failed rcpt recipient 5.1.3", "finished 1"},
       ""},
      {"a NUL in the sender",
       "250 x\r\n",
       std::string("a\0@x", 4),
       {"b@y"},
       false,
       {"1/0 failed mail sender 5.1.7", "finished 1"},
       ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    Message message(row.from, row.to, "hello\n");
    message.eight_bit = row.eight_bit;
    auto client = ready_client(row.hello);
    client->give(message, 1);
    CHECK(client->happened() == row.want);
    CHECK(client->sent() == row.sent);
    CHECK(client->engine.usable());
  }
}

TEST_CASE("a recipient that failed here is not asked for, the others are") {
  Message message("a@x", {"b@y", "\xC3\xA9@y", "c@y"}, "hi\r\n");
  auto client = ready_client("250-x\r\n250 PIPELINING\r\n");
  client->give(message, 1);
  CHECK(client->sent() == "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nDATA\r\n");
  client->hear("250 a\r\n250 b\r\n250 c\r\n354 d\r\n250 e\r\n");
  CHECK(client->happened() == Events{"1/1 failed rcpt recipient 5.6.7",
                                     "1/0 delivered final_reply nobody 250",
                                     "1/2 delivered final_reply nobody 250", "finished 1"});
}

TEST_CASE("success reports become the peer's duty when it offers DSN") {
  Message message("a@x", {"b@y"}, "hi\r\n");
  for (bool dsn : {false, true}) {
    auto client = ready_client(dsn ? "250-x\r\n250-DSN\r\n250 PIPELINING\r\n" : kPipelineHello);
    client->give(message, 1);
    client->hear("250 a\r\n250 b\r\n354 d\r\n250 e\r\n");
    REQUIRE(client->outcomes.size() == 1);
    CHECK(client->outcomes[0].dsn_passed_on == dsn);
  }
}

TEST_CASE("S6: the last door before the wire takes only what the parser of addresses takes") {
  const char* const bad[] = {
      "robert+x@victim.example> ORCPT=rfc822;@inner.test",
      "robert+x> AUTH=<> RET=FULL ENVID=@inner.test",
      "robert+\"a@inner.test",
      "robert b@inner.test",
      "a@x\r\nRSET",
      "a@x.test>",
      "<a@x.test",
      "a",
      "@x.test",
      "a@",
      "a@b@c.test",
      "a@[127.0.0.1",
      "a\xFF@x.test",
      "a@x.test.",
      "a@x.test@",
  };
  for (const char* text : bad) {
    INFO(text);
    Message to("a@x", {"b@y"}, "x\r\n");
    to.recipients[0].address = mail::Address::from_text(text);
    auto outcome = unfit_recipient(to.recipients[0], everything());
    REQUIRE(outcome);
    CHECK(outcome->disposition == mail::Disposition::failed);
    CHECK(outcome->reply.enhanced == mail::EnhancedCode{5, 1, 3});
    to.envelope.reverse_path = to.recipients[0].address;
    outcome = unfit_message(to.transaction(1), everything());
    REQUIRE(outcome);
    CHECK(outcome->reply.enhanced == mail::EnhancedCode{5, 1, 7});
    CHECK_FALSE(outcome->reply.text.empty());
  }
  Message good("", {R"("robert+x> ORCPT=rfc822;"@inner.test)"}, "x\r\n");
  CHECK_FALSE(unfit_recipient(good.recipients[0], everything()));
  CHECK_FALSE(unfit_message(good.transaction(1), everything()));
}

TEST_CASE("S6: an ORCPT that its grammar does not know is left out") {
  Message message("a@x", {"b@y"}, "x\r\n");
  for (const char* orcpt : {"rfc822> X;b@y", ";b@y", "no type", "rfc 822;b@y", "utf-8;\xFF@y"}) {
    INFO(orcpt);
    message.recipients[0].orcpt = orcpt;
    CHECK(rcpt_line(message, everything()) == "RCPT TO:<b@y>\r\n");
  }
}
