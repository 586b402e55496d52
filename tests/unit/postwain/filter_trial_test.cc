// What `filter check` and `filter test` print of a report.
#include <catch2/catch.hpp>

#include "postwain/commands/filter_reports.h"

using namespace postwain::tool;

TEST_CASE("lines that go and come are shown between those that stay") {
  CHECK(line_changes("a\r\nb\r\nc\r\n", "a\r\nx\r\nc\r\nd\r\n") == " a\n-b\n+x\n c\n+d\n");
  CHECK(line_changes("", "a\n") == "+a\n");
  CHECK(line_changes("a", "") == "-a\n");
  CHECK(line_changes("same\n", "same") == " same\n");
  std::string many;
  for (int i = 0; i < 3000; ++i) many += "line\n";
  CHECK(line_changes(many, "one\n") == "3000 lines become 1\n");
}

TEST_CASE("a check tells of each filter what it asks for and what it will miss") {
  CHECK(
      filter_check_text(
          R"({"filters":[{"filter":"one","socket":"127.0.0.1:1","state":"works","milliseconds":3,)"
          R"("version":6,"hears":["connect","body"],"asks_for":["headers","body"],)"
          R"("forbidden":["body"],"macros_missing":["client_ptr"]},)"
          R"({"filter":"two","socket":"unix:/x","state":"failed","failure":"unreachable",)"
          R"("reason":"no such file"}]})") ==
      "one at 127.0.0.1:1: works, version 6, 3 ms\n"
      "  hears          connect, body\n"
      "  asks for       headers, body\n"
      "  may not        body\n"
      "  misses macros  client_ptr\n"
      "two at unix:/x: FAILED, unreachable: no such file\n");
  CHECK(filter_check_text("no JSON").empty());
}

TEST_CASE("a check tells what policy services, Rspamd and DNS lists said") {
  const std::string report =
      R"({"filters":[{"filter":"grey","socket":"127.0.0.1:1","state":"works","milliseconds":3,)"
      R"("answers":[{"stage":"RCPT","action":"defer","milliseconds":3,"reply":"450 4.7.1 later",)"
      R"("not_allowed":"defer"},{"stage":"DATA","action":"prepend","milliseconds":0,"field":"X-A",)"
      R"("text":"b"}]},{"filter":"bad","socket":"unix:/x","state":"failed","answers":)"
      R"([{"stage":"RCPT","action":"mistake","milliseconds":1,"text":"FILTER: no"}]},)"
      R"({"filter":"mute","socket":"unix:/y","state":"failed","stage":"MAIL","failure":"late",)"
      R"("reason":"it does not answer in time","answers":[]},)"
      R"({"filter":"rspamd","socket":"127.0.0.1:2","state":"works","milliseconds":7,"ping":"pong",)"
      R"("server":"rspamd/3.4","action":"add header","score":6.5,"score_limit":15,"edits":2,)"
      R"("not_allowed":2}],"dns_lists":[)"
      R"({"list":"zen","state":"works","health":"good","milliseconds":9},)"
      R"({"list":"closed","state":"failed","health":"lists_all","milliseconds":5}]})";
  CHECK(filter_check_text(report) ==
        "grey at 127.0.0.1:1: works, 3 ms\n"
        "  RCPT           defer 450 4.7.1 later, 3 ms, which its may does not grant: defer\n"
        "  DATA           prepend X-A: b, 0 ms\n"
        "bad at unix:/x: FAILED, what it answers cannot be done\n"
        "  RCPT           mistake FILTER: no, 1 ms\n"
        "mute at unix:/y: FAILED at MAIL, late: it does not answer in time\n"
        "rspamd at 127.0.0.1:2: works, rspamd/3.4, add header, score 6.5/15, 7 ms\n"
        "  not granted    2 of what it asked for\n"
        "list zen: works, 9 ms\n"
        "list closed: FAILED, it lists everything, 5 ms\n");
  CHECK_FALSE(is_all_well(report));
  CHECK(is_all_well(R"({"filters":[{"state":"works"}],"dns_lists":[{"state":"works"}]})"));
  CHECK_FALSE(is_all_well(R"({"filters":[],"dns_lists":[null]})"));
  CHECK_FALSE(is_all_well("no JSON"));
}

TEST_CASE("a test tells the judgements, the verdict and what changes") {
  std::string text = filter_test_text(
      R"({"answers":[],"judgements":[{"filter":"one","stage":"end of message","verdict":"accept",)"
      R"("text":"","milliseconds":2,"edits":3,"not_allowed":1,"watch":false}],"verdict":"accept",)"
      R"("hold":"one: odd","sender":"<x@y>","recipients_removed":["<b@c>"],)"
      R"("recipients_added":["<d@e>"],"header":"U3ViamVjdDogYgo=","body_size":7})",
      "Subject: a\r\n", "12345");
  CHECK(text ==
        "one at end of message: accept, 3 edits, 2 ms, 1 not allowed\n"
        "verdict: accept \n"
        "held: one: odd\n"
        "sender: <x@y>\n"
        "recipient: -<b@c>\n"
        "recipient: +<d@e>\n"
        "header section:\n-Subject: a\n+Subject: b\n"
        "body: 5 octets become 7\n");
}
