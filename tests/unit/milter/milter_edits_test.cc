// What filters ask for at the end of a message (milter_engine.h, edit_list.h).
#include "tests/unit/milter/filter_talk.h"

using namespace postwain;
using namespace postwain::milter;
using namespace postwain::milter::test;

TEST_CASE("edits come at the end of a message only, in their order (pitfalls 4, 8)") {
  Talk talk;
  begin_message(talk);
  talk.engine.end_of_message();
  CHECK(talk.say('h', texts({"X-A", "1"})));
  CHECK(talk.say('b', "new "));
  CHECK(talk.say('m', number32(2) + texts({"Subject", "changed"})));
  CHECK(talk.say('b', "body\n"));
  CHECK(talk.say('i', number32(0) + texts({"X-Top", ""})));
  CHECK(talk.say('+', texts({"<c@example.org>"})));
  CHECK(talk.say('2', texts({"<d@example.org>", "NOTIFY=NEVER"})));
  CHECK(talk.say('-', texts({"<b@example.org>"})));
  CHECK(talk.say('e', texts({"<new@example.org>", "RET=HDRS"})));
  CHECK(talk.say('q', texts({"looks bad"})));
  CHECK(talk.engine.is_waiting());
  CHECK(talk.say('a'));
  using Kind = Edit::Kind;
  std::vector<Edit> edits = talk.engine.edits().take();
  std::vector<Kind> kinds;
  for (const Edit& one : edits) kinds.push_back(one.kind);
  CHECK(kinds == std::vector<Kind>{Kind::add_header, Kind::replace_body, Kind::change_header,
                                   Kind::replace_body, Kind::insert_header, Kind::add_recipient,
                                   Kind::add_recipient, Kind::delete_recipient, Kind::change_sender,
                                   Kind::quarantine});
  CHECK(edits[2].index == 2);
  CHECK(edits[6].value == "NOTIFY=NEVER");
  CHECK(edits[9].value == "looks bad");
  CHECK(talk.verdicts() == "eom accept");

  Talk early;
  begin_message(early);
  early.engine.end_of_header();
  CHECK_FALSE(early.say('h', texts({"X-A", "1"})));
  CHECK(early.engine.failure() == "it asks for a change before the end of the message");
}

TEST_CASE("edits beyond what is granted are counted and not done") {
  Talk talk;
  talk.engine.allow(action::kAddHeaders);
  begin_message(talk);
  talk.engine.end_of_message();
  talk.say('h', texts({"X-A", "1"}));
  talk.say('b', "new body");
  talk.say('-', texts({"<b@example.org>"}));
  talk.say('q', texts({"bad"}));
  talk.say('c');
  CHECK(talk.engine.edits().take().size() == 1);
  CHECK(talk.engine.edits().refused() == 3);
}

TEST_CASE("a filter that asks for more than anybody needs has failed") {
  Talk talk;
  begin_message(talk);
  talk.engine.end_of_message();
  for (std::size_t i = 0; i < kEditsMax; ++i)
    REQUIRE(talk.say('m', number32(1) + texts({"A", ""})));
  CHECK_FALSE(talk.say('m', number32(1) + texts({"A", ""})));
  Talk large;
  begin_message(large);
  large.engine.end_of_message();
  REQUIRE(large.say('h', texts({"A", std::string(200'000, 'x')})));
  CHECK_FALSE(large.say('h', texts({"A", std::string(200'000, 'x')})));
}
