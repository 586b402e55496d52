// What filters say, bounded (filter_answer.h), and macros (macros.h).
#include "common/milter/macros.h"
#include "tests/unit/milter/filter_talk.h"

using namespace postwain;
using namespace postwain::milter;
using namespace postwain::milter::test;

TEST_CASE("reply texts of filters (pitfall 7)") {
  struct Case {
    std::string text;
    std::string reply;  // empty: it is none
  };
  const Case cases[] = {
      {"550 5.7.1 no", "550 5.7.1 no"},
      {"451 4.7.1 later", "451 4.7.1 later"},
      {"550 no class", "550 5.7.1 no class"},
      {"550", "550 5.7.1"},
      {"550 ", "550 5.7.1"},
      {"550 5.7.1", "550 5.7.1"},
      {"550 4.7.1 wrong class", "550 5.7.1 wrong class"},
      {"450 5.1.1 wrong class", "450 4.7.1 wrong class"},
      {"550 5.7.1 100%% sure", "550 5.7.1 100% sure"},
      {"550 5.7.1 50% sure", "550 5.7.1 50% sure"},
      {"550 5.7.1 tab\there", "550 5.7.1 tab here"},
      {"550 5.7.1 bell\a", "550 5.7.1 bell"},
      {"554-5.7.1 one\r\n554 5.7.1 two", "554 5.7.1 one two"},
      {"554-5.7.1 one\n554 two", "554 5.7.1 one two"},
      {"554-5.7.1 one\r\n454 5.7.1 two", ""},
      {"250 2.0.0 fine", ""},
      {"354 go", ""},
      {"55", ""},
      {"5500 no", ""},
      {"560 no", ""},
      {"55x no", ""},
      {"", ""},
  };
  for (const Case& one : cases) {
    CAPTURE(one.text);
    auto reply = parse_reply(one.text);
    std::string line = reply ? reply->one_line() : std::string();
    std::replace(line.begin(), line.end(), '\n', ' ');
    CHECK(line == one.reply);
  }
  auto many = parse_reply([] {
    std::string text;
    for (int i = 0; i < 100; ++i) text += "550 " + std::string(1000, 'x') + "\r\n";
    return text;
  }());
  REQUIRE(many);
  CHECK(many->text.size() <= kReplyLinesMax * (kReplyLineMax + 1));
}

TEST_CASE("macros are sent once known, in braces where the name is long (pitfall 18)") {
  Macros macros;
  MacroLists lists;
  std::string out;
  append_macros(out, Stage::rcpt, lists, macros);
  CHECK(out.empty());
  macros.set("i", "QUEUEID");
  macros.set("rcpt_addr", "b@example.org");
  macros.set("rcpt_host", "");
  append_macros(out, Stage::rcpt, lists, macros);
  CHECK(out == packet('D', "R" + texts({"i", "QUEUEID", "{rcpt_addr}", "b@example.org"})));
  macros.set("rcpt_addr", "");
  out.clear();
  append_macros(out, Stage::rcpt, lists, macros);
  CHECK(out == packet('D', "R" + texts({"i", "QUEUEID"})));
  out.clear();
  append_macros(out, Stage::body, lists, macros);
  CHECK(out.empty());
}

TEST_CASE("a filter's own list replaces that of its stage, and an empty one means none") {
  Macros macros;
  macros.set("i", "QUEUEID");
  macros.set("auth_type", "PLAIN");
  macros.set("own", "1");
  MacroLists lists;
  CHECK(lists.set(2, "i {auth_type}, {own} {missing}"));
  CHECK(lists.set(3, ""));
  CHECK_FALSE(lists.set(7, "i"));
  std::string out;
  append_macros(out, Stage::mail, lists, macros);
  CHECK(out == packet('D', "M" + texts({"i", "QUEUEID", "{auth_type}", "PLAIN", "{own}", "1"})));
  out.clear();
  append_macros(out, Stage::rcpt, lists, macros);
  CHECK(out.empty());
  append_macros(out, Stage::end_of_message, lists, macros);
  CHECK(out == packet('D', "E" + texts({"i", "QUEUEID"})));
  std::string long_list;
  for (int i = 0; i < 1000; ++i) long_list += "{m" + std::to_string(i) + "} ";
  CHECK(lists.set(0, long_list));
  CHECK(lists.asked(Stage::connect)->size() == kMacroNamesMax);
}
