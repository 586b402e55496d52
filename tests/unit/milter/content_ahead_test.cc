// A message's content that goes to the filter ahead of its answers (MilterEngine::go_ahead), and
// what becomes of the connection when the filter ends the message early.
#include "tests/unit/milter/filter_talk.h"

using namespace postwain;
using namespace postwain::milter;
using namespace postwain::milter::test;

namespace {

void send_small_content(Talk& talk, std::string_view body = "body\r\n") {
  talk.engine.header("Subject", " hello");
  talk.engine.end_of_header();
  talk.engine.body(body);
  talk.engine.end_of_message();
}

// A message up to the answer to DATA.
void go_up_to_content(Talk& talk) {
  talk.engine.go_ahead(true);
  talk.engine.mail("<a@example.org>", {});
  talk.engine.rcpt("<b@example.org>", {});
  talk.engine.data();
  for (int answer = 0; answer < 3; ++answer) talk.say('c');
  (void)talk.verdicts();
  (void)talk.commands();
}

}  // namespace

TEST_CASE("content goes without waiting, and nothing before it or behind it does") {
  Talk talk;
  talk.engine.go_ahead(true);
  talk.engine.mail("<a@example.org>", {});
  talk.engine.rcpt("<b@example.org>", {});
  talk.engine.data();
  send_small_content(talk);
  talk.engine.mail("<c@example.org>", {});
  CHECK(talk.commands() == "M");
  talk.say('c');
  CHECK(talk.commands() == "R");
  talk.say('c');
  CHECK(talk.commands() == "T");
  talk.say('c');
  CHECK(talk.commands() == "LNBE");
  CHECK(talk.verdicts() == "mail go; rcpt go; data go");
  for (int answer = 0; answer < 3; ++answer) talk.say('c');
  CHECK(talk.verdicts() == "eoh go");
  CHECK(talk.commands().empty());
  talk.say('r');
  CHECK(talk.verdicts() == "eom refuse");
  CHECK(talk.commands() == "M");
  CHECK_FALSE(talk.engine.is_spent());
}

TEST_CASE("a filter that ends a message while more was sent has judged it, and hears no other") {
  struct Case {
    char answer;
    std::string verdicts;
  };
  for (const Case& one :
       {Case{'a', "header accept; eoh go; eom go"}, Case{'r', "header refuse; eoh go; eom go"},
        Case{'t', "header defer; eoh go; eom go"}, Case{'d', "header discard; eoh go; eom go"}}) {
    Talk talk;
    go_up_to_content(talk);
    send_small_content(talk);
    CHECK(talk.commands() == "LNBE");
    talk.say(one.answer);
    CHECK(talk.engine.is_spent());
    CHECK_FALSE(talk.engine.is_waiting());
    CHECK(talk.verdicts() == one.verdicts);
    // Some filters answer the rest, some do not: neither is heard.
    CHECK(talk.say('r'));
    CHECK(talk.say('x'));
    CHECK(talk.verdicts().empty());
    talk.engine.abort();
    talk.engine.mail("<c@example.org>", {});
    CHECK(talk.engine.failure() == "nothing more can be told on this connection");
    CHECK(talk.verdicts().empty());
  }
}

TEST_CASE("the last answer of what was sent spends nothing") {
  Talk talk;
  go_up_to_content(talk);
  talk.engine.header("Subject", " hello");
  talk.engine.end_of_header();
  talk.say('c');
  talk.say('a');
  CHECK_FALSE(talk.engine.is_spent());
  talk.engine.body("body");
  talk.engine.end_of_message();
  CHECK(talk.verdicts() == "eoh accept; eom go");
  CHECK(talk.commands() == "LN");
  talk.engine.mail("<c@example.org>", {});
  CHECK(talk.commands() == "M");
}

TEST_CASE("an aborted message that the filter ends among what was sent is awaited no longer") {
  Talk talk;
  go_up_to_content(talk);
  send_small_content(talk);
  talk.engine.abort();
  CHECK(talk.commands() == "LNBEA");
  CHECK(talk.engine.is_waiting());
  CHECK(talk.engine.is_ahead());
  talk.say('a');  // and silence from here on
  CHECK_FALSE(talk.engine.is_waiting());
  CHECK(talk.engine.is_spent());
  CHECK(talk.verdicts().empty());
}

TEST_CASE("an aborted message without objection leaves the connection as good as it was") {
  Talk talk;
  go_up_to_content(talk);
  send_small_content(talk);
  talk.engine.abort();
  talk.engine.mail("<c@example.org>", {});
  CHECK(talk.commands() == "LNBEA");
  for (char answer : std::string("ccc")) talk.say(answer);
  CHECK(talk.commands().empty());
  talk.say('r');  // of the message that was aborted
  CHECK(talk.commands() == "M");
  CHECK(talk.verdicts().empty());
  CHECK_FALSE(talk.engine.is_spent());
}

TEST_CASE("changes are asked for behind the answers to what went before, or not at all") {
  Talk talk;
  go_up_to_content(talk);
  send_small_content(talk);
  CHECK_FALSE(talk.say('h', texts({"X-A", "1"})));
  CHECK(talk.engine.failure() == "it asks for a change before the end of the message");
}

TEST_CASE("a body that goes ahead is joined while the filter owes an answer to the piece before") {
  Talk talk(protocol::kSkip);
  go_up_to_content(talk);
  talk.engine.end_of_header();
  for (int piece = 0; piece < 3; ++piece) talk.engine.body(std::string(10, 'a'));
  CHECK(talk.commands() == "NB");
  talk.engine.end_of_message();
  std::vector<SentPacket> sent = talk.packets();
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].data == std::string(20, 'a'));
  talk.say('c');
  talk.say('s');
  talk.say('c');
  talk.say('c');
  CHECK(talk.verdicts() == "eoh go; eom go");
}

TEST_CASE("a message that waits behind an aborted one is not told of on a spent connection") {
  Talk talk;
  go_up_to_content(talk);
  send_small_content(talk);
  talk.engine.abort();
  talk.engine.mail("<c@example.org>", {});
  (void)talk.commands();
  CHECK(talk.say('r'));
  CHECK(talk.engine.failure() == "nothing more can be told on this connection");
  CHECK(talk.verdicts().empty());
  CHECK(talk.commands().empty());
}
