#include <catch2/catch.hpp>

#include "common/smtp/client/outcome_rules.h"
#include "common/smtp/client/peer_extensions.h"
#include "common/smtp/client/recipient_ledger.h"
#include "common/smtp/syntax/reply_parser.h"

using namespace postwain;
using namespace postwain::smtp;
using State = ReplyParser::State;

namespace {

struct Row {
  std::string input;
  State want;
  int code;
  std::string enhanced;
  std::string text;
};

}  // namespace

TEST_CASE("replies, whole and byte by byte") {
  const std::vector<Row> rows = {
      {"250 ok\r\n", State::reply, 250, "", "ok"},
      {"250\r\n", State::reply, 250, "", ""},
      {"250 \r\n", State::reply, 250, "", ""},
      {"250 ok\n", State::reply, 250, "", "ok"},
      {"250 2.1.5 fine\r\n", State::reply, 250, "2.1.5", "fine"},
      {"550-5.1.1 no\r\n550 5.1.1 such user\r\n", State::reply, 550, "5.1.1", "no\nsuch user"},
      {"550-no\r\n550 such user\r\n", State::reply, 550, "", "no\nsuch user"},
      {"550-no\r\n550 5.1.1 such user\r\n", State::reply, 550, "5.1.1", "no\nsuch user"},
      {"550 2.0.0 class differs\r\n", State::reply, 550, "", "2.0.0 class differs"},
      {"550 \x1b[2Jbad\r\n", State::reply, 550, "", "\\x1b[2Jbad"},
      {"250 a\rb\r\n", State::reply, 250, "", "a\\x0db"},
      {"25\r\n", State::broken, 0, "", ""},
      {"hello\r\n", State::broken, 0, "", ""},
      {"199 no\r\n", State::broken, 0, "", ""},
      {"650 no\r\n", State::broken, 0, "", ""},
      {"250x\r\n", State::broken, 0, "", ""},
      {"\r\n", State::broken, 0, "", ""},
      {std::string("250 a\0b\r\n", 9), State::broken, 0, "", ""},
      {"250-a\r\n251 b\r\n", State::broken, 0, "", ""},
      {"250-a\r\n", State::need_more, 0, "", ""},
      {"250 " + std::string(4100, 'x'), State::broken, 0, "", ""},
  };
  for (const Row& row : rows) {
    for (bool bytewise : {false, true}) {
      CAPTURE(row.input, bytewise);
      ReplyParser parser;
      State state = State::need_more;
      std::string_view rest = row.input;
      while (state == State::need_more && !rest.empty()) {
        std::string_view piece = bytewise ? rest.substr(0, 1) : rest;
        rest.remove_prefix(piece.size());
        state = parser.parse(piece);
      }
      REQUIRE(state == row.want);
      if (state != State::reply) continue;
      mail::Reply reply = parser.stored();
      CHECK(reply.code == row.code);
      CHECK(reply.enhanced.text() == row.enhanced);
      CHECK(reply.text == row.text);
    }
  }
}

TEST_CASE("several replies in one segment are taken one by one") {
  ReplyParser parser;
  std::string_view data = "250 one\r\n354 two\r\n25";
  REQUIRE(parser.parse(data) == State::reply);
  CHECK(parser.code() == 250);
  REQUIRE(parser.parse(data) == State::reply);
  CHECK(parser.code() == 354);
  CHECK(parser.parse(data) == State::need_more);
  CHECK(parser.partial());
}

TEST_CASE("a reply of endless lines breaks the parser, and it stays broken") {
  ReplyParser parser;
  State state = State::need_more;
  for (int i = 0; i < 101 && state == State::need_more; ++i) {
    std::string_view line = "250-x\r\n";
    state = parser.parse(line);
  }
  CHECK(state == State::broken);
  std::string_view good = "250 ok\r\n";
  CHECK(parser.parse(good) == State::broken);
}

TEST_CASE("stored text is cut") {
  std::string input;
  for (int i = 0; i < 50; ++i) input += "550-" + std::string(100, 'a' + i % 26) + "\r\n";
  input += "550 end\r\n";
  ReplyParser parser;
  std::string_view data = input;
  REQUIRE(parser.parse(data) == State::reply);
  CHECK(parser.stored().text.size() <= kReplyTextStored + 10);
}

TEST_CASE("extensions") {
  PeerExtensions e = PeerExtensions::parse(
      "mx.example Hello\nPIPELINING\nSIZE 1000\n8bitmime\nSMTPUTF8\nDSN\nCHUNKING\nSTARTTLS\n"
      "AUTH LOGIN PLAIN\nX-NONSENSE a b");
  CHECK(e.pipelining);
  CHECK(e.size);
  CHECK(e.size_limit == 1000);
  CHECK(e.eight_bit_mime);
  CHECK(e.smtputf8);
  CHECK(e.dsn);
  CHECK(e.chunking);
  CHECK(e.starttls);
  CHECK(e.mechanisms == std::vector<std::string>{"LOGIN", "PLAIN"});
  // The greeting line is no keyword.
  CHECK_FALSE(PeerExtensions::parse("PIPELINING").pipelining);
  CHECK(PeerExtensions::parse("x\nAUTH=PLAIN").mechanisms.size() == 1);
  CHECK(PeerExtensions::parse("x\nSIZE 99999999999999999999999").size_limit == 0);
  CHECK_FALSE(PeerExtensions::parse("x\nPIPELININGX").pipelining);
}

TEST_CASE("outcome rules") {
  using mail::Blame;
  using mail::Disposition;
  using mail::Stage;
  struct Rule {
    const Dialect& dialect;
    Stage stage;
    int code;
    Disposition disposition;
    Blame blame;
  };
  const Rule rules[] = {
      {kSmtp, Stage::greeting, 554, Disposition::deferred, Blame::destination},
      {kSmtp, Stage::hello, 550, Disposition::deferred, Blame::destination},
      {kSmtp, Stage::tls, 454, Disposition::deferred, Blame::destination},
      {kSmtp, Stage::auth, 535, Disposition::deferred, Blame::destination},
      {kSmtp, Stage::mail, 451, Disposition::deferred, Blame::sender},
      {kSmtp, Stage::mail, 550, Disposition::failed, Blame::sender},
      {kSmtp, Stage::mail, 421, Disposition::deferred, Blame::destination},
      {kSmtp, Stage::rcpt, 450, Disposition::deferred, Blame::recipient},
      {kSmtp, Stage::rcpt, 550, Disposition::failed, Blame::recipient},
      {kSmtp, Stage::rcpt, 552, Disposition::deferred, Blame::recipient},
      {kSmtp, Stage::data, 451, Disposition::deferred, Blame::message},
      {kSmtp, Stage::data, 554, Disposition::failed, Blame::message},
      {kSmtp, Stage::data, 250, Disposition::deferred, Blame::destination},
      {kSmtp, Stage::final_reply, 250, Disposition::delivered, Blame::nobody},
      {kSmtp, Stage::final_reply, 452, Disposition::deferred, Blame::message},
      {kSmtp, Stage::final_reply, 552, Disposition::failed, Blame::message},
      {kSmtp, Stage::final_reply, 421, Disposition::deferred, Blame::destination},
      {kSmtp, Stage::final_reply, 354, Disposition::deferred, Blame::destination},
      {kLmtp, Stage::final_reply, 250, Disposition::delivered, Blame::nobody},
      {kLmtp, Stage::final_reply, 452, Disposition::deferred, Blame::recipient},
      {kLmtp, Stage::final_reply, 550, Disposition::failed, Blame::recipient},
  };
  for (const Rule& rule : rules) {
    CAPTURE(rule.dialect.name, name_of(rule.stage), rule.code);
    mail::Outcome outcome = outcome_of(rule.dialect, rule.stage, mail::Reply{rule.code, {}, ""});
    CHECK(name_of(outcome.disposition) == name_of(rule.disposition));
    CHECK(name_of(outcome.blame) == name_of(rule.blame));
  }
  // No reply never fails anybody, whatever the stage.
  for (int s = 0; s <= static_cast<int>(Stage::final_reply); ++s) {
    auto stage = static_cast<Stage>(s);
    CHECK(verdict(kSmtp, stage, ReplyClass::none).disposition == Disposition::deferred);
    CHECK(verdict(kLmtp, stage, ReplyClass::closing).blame == Blame::destination);
    CHECK_FALSE(doing_at(stage).empty());
  }
  CHECK(wait_at(Stage::data) == Wait::data);
  CHECK(wait_at(Stage::final_reply) == Wait::final);
  CHECK(wait_at(Stage::greeting) == Wait::greeting);
}

TEST_CASE("the ledger refuses a second outcome and a missing one") {
  RecipientLedger ledger(2);
  CHECK_FALSE(ledger.close());
  CHECK(ledger.settle(1));
  CHECK_FALSE(ledger.settle(1));
  CHECK_FALSE(ledger.settle(2));
  CHECK_FALSE(ledger.close());
  CHECK(ledger.settle(0));
  CHECK(ledger.close());
}
