// Content rules: what matches, what follows, and how that fits among filters.
#include "tests/unit/filter/filter_rig.h"

#include "filter/content_rules/content_rule_judge.h"

using namespace postwain;
using namespace postwain::filter;
using namespace postwain::filter::test;
using config::ContentAction;
using config::ContentPlace;
using config::ContentRule;

namespace {

ContentRule rule(std::string field, std::string pattern, ContentAction action,
                 std::string value = {}) {
  ContentRule out;
  out.name = "r";
  out.place = field == "body" ? ContentPlace::body : ContentPlace::header;
  if (field.starts_with("part:")) {
    out.place = ContentPlace::part;
    field.erase(0, 5);
  }
  out.field = std::move(field);
  out.pattern = std::move(pattern);
  out.action = action;
  out.value = std::move(value);
  return out;
}

std::vector<CompiledRule> compiled(const std::vector<ContentRule>& rules) {
  auto out = compile_rules(rules);
  REQUIRE(out);
  return out.take();
}

// Which rules match, by their number, with the place: "0 Subject/1".
std::vector<std::string> matches(const std::vector<ContentRule>& rules, std::string_view header,
                                 std::string_view body = {}, std::size_t cut = 100'000) {
  std::vector<CompiledRule> all = compiled(rules);
  std::vector<const CompiledRule*> pointers;
  for (const CompiledRule& one : all) pointers.push_back(&one);
  ContentMatcher matcher(pointers);
  mail::HeaderEdits section(header, 0);
  matcher.header(section.shown());
  for (std::size_t at = 0; at < body.size(); at += cut) matcher.body(body.substr(at, cut));
  matcher.finish();
  std::vector<std::string> out;
  for (const RuleMatch& match : matcher.matches()) {
    std::string number = std::to_string(match.rule - all.data());
    out.push_back(number + " " + match.field +
                  (match.index == 0 ? "" : "/" + std::to_string(match.index)));
  }
  return out;
}

using Matches = std::vector<std::string>;
constexpr auto kWarn = ContentAction::warn;

std::string edits_of(const ipc::FilterResult& result) {
  std::string out;
  for (const std::string& one : result.recipients_removed) out += "-" + one;
  for (const auto& one : result.recipients_added) out += "+" + one.address + one.arguments;
  return out;
}

}  // namespace

TEST_CASE("a rule for a field sees its value, unfolded, and one for all fields the whole") {
  const std::string kHeader =
      "Received: a\r\nSUBJECT: =?x?\r\n Buy\r\n\tNow\r\nX-Empty:\r\nX-A: Buy\r\n";
  CHECK(matches({rule("Subject", "^=.x. Buy\tNow$", kWarn)}, kHeader) == Matches{"0 SUBJECT/1"});
  CHECK(matches({rule("Subject", "subject", kWarn)}, kHeader).empty());
  CHECK(matches({rule("*", "^x-a: buy$", kWarn)}, kHeader) == Matches{"0 X-A/1"});
  CHECK(matches({rule("X-Empty", "^$", kWarn)}, kHeader) == Matches{"0 X-Empty/1"});
  CHECK(matches({rule("X-B", ".", kWarn)}, kHeader).empty());
}

TEST_CASE("a rule matches once, one that changes fields each of them") {
  const std::string kHeader = "X-A: 1\r\nX-B: 1\r\nX-A: 2\r\nX-A: 1\r\n";
  CHECK(matches({rule("X-A", "1", kWarn)}, kHeader) == Matches{"0 X-A/1"});
  CHECK(matches({rule("X-A", "1", ContentAction::remove)}, kHeader) ==
        Matches{"0 X-A/1", "0 X-A/3"});
  CHECK(matches({rule("*", ": 1", ContentAction::replace, "0")}, kHeader) ==
        Matches{"0 X-A/1", "0 X-B/1", "0 X-A/3"});
}

TEST_CASE("a rule for parts sees their header sections and the MIME fields of the message") {
  const std::string kHeader =
      "Subject: x.exe\r\nContent-Type: multipart/mixed; boundary=b\r\nX-A: x.exe\r\n";
  const std::string kBody =
      "x.exe\r\n--b\r\nContent-Disposition: attachment;\r\n filename=x.exe\r\n\r\nx.exe\r\n"
      "--b--\r\n";
  CHECK(matches({rule("part:*", "x.exe", kWarn)}, kHeader, kBody) ==
        Matches{"0 Content-Disposition"});
  CHECK(matches({rule("part:Content-Type", "mixed", kWarn)}, kHeader, kBody) ==
        Matches{"0 Content-Type/1"});
  CHECK(matches({rule("part:Subject", ".", kWarn)}, kHeader, kBody).empty());
}

TEST_CASE("a rule for bodies sees them line by line as far as its depth, at every cut") {
  const std::string kBody = "first\r\nsecond line\r\n\r\nthird";
  auto at = [&](std::string pattern, std::uint64_t depth, std::size_t cut) {
    ContentRule one = rule("body", std::move(pattern), kWarn);
    one.depth = depth;
    return !matches({one}, "", kBody, cut).empty();
  };
  for (std::size_t cut = 1; cut <= kBody.size(); ++cut) {
    CHECK(at("^second line$", 1000, cut));
    CHECK(at("^third$", 1000, cut));
    CHECK_FALSE(at("first.*second", 1000, cut));
    CHECK(at("first", 1, cut));
    CHECK_FALSE(at("second", 7, cut));
    CHECK(at("second", 8, cut));
  }
  std::string line = std::string(mail::kLinePieceMax - 2, 'x') + "needle";
  CHECK(matches({rule("body", "needle", kWarn)}, "", line).empty());  // between two pieces
  CHECK(matches({rule("body", "dle$", kWarn)}, "", line) == Matches{"0 body"});
}

TEST_CASE("many fields cost no more than the bound on matches") {
  std::string header;
  for (int i = 0; i < 5000; ++i) header += "X-A: 1\r\n";
  CHECK(matches({rule("X-A", "1", ContentAction::remove)}, header).size() == kFieldMatchesMax + 1);
}

TEST_CASE("rules refuse, defer, discard and hold, each with its own words") {
  ContentRule one = rule("Subject", "one", ContentAction::refuse);
  SECTION("refuse") {
    CHECK(Rig({}, {one}).greeted_message() == "refuse 550 5.7.1 refused because of its content");
    one.text = "No such subjects here";
    CHECK(Rig({}, {one}).greeted_message() == "refuse 550 5.7.1 No such subjects here");
  }
  SECTION("defer") {
    one.action = ContentAction::defer;
    CHECK(Rig({}, {one}).greeted_message() == "defer 451 4.7.1 try again later");
  }
  SECTION("discard") {
    one.action = ContentAction::discard;
    CHECK(Rig({}, {one}).greeted_message() == "discard");
  }
  SECTION("hold") {
    one.action = ContentAction::hold;
    CHECK(Rig({}, {one}).greeted_message() == "accept held for content_rules: r");
    one.text = "looks odd";
    CHECK(Rig({}, {one}).greeted_message() == "accept held for content_rules: looks odd");
  }
  SECTION("warn, and what does not match") {
    one.action = ContentAction::warn;
    CHECK(Rig({}, {one}).greeted_message() == "accept");
    one.action = ContentAction::refuse;
    one.pattern = "two";
    CHECK(Rig({}, {one}).greeted_message() == "accept");
  }
  SECTION("a body") {
    one = rule("body", "^hello$", ContentAction::refuse);
    CHECK(Rig({}, {one}).greeted_message() == "refuse 550 5.7.1 refused because of its content");
    Rig rig({}, {one});
    CHECK(rig.greeted_message("good\r\n") == "accept");
    CHECK(rig.message(std::string(1 << 20, 'x') + "\r\n") == "accept");
    CHECK(rig.message() == "refuse 550 5.7.1 refused because of its content");
  }
}

TEST_CASE("a judgement names the rules that matched") {
  ContentRule first = rule("Subject", "one", ContentAction::warn);
  first.name = "first";
  ContentRule second = rule("body", "hello", ContentAction::refuse);
  second.name = "second";
  second.mode = config::FilterMode::watch;
  Rig rig({}, {first, second});
  CHECK(rig.greeted_message() == "accept");
  REQUIRE(rig.result().judgements.size() == 1);
  const ipc::FilterJudgement& said = rig.result().judgements[0];
  CHECK(said.filter == "content_rules");
  CHECK(said.stage == FilterStage::end_of_message);
  CHECK(said.text == "first: warn, second: refuse (watch)");
  CHECK_FALSE(rig.result().header_changed);
}

TEST_CASE("rules change fields and recipients") {
  Rig rig({}, {rule("Subject", "one", ContentAction::replace, "two"),
               rule("X-A", "1", ContentAction::remove),
               rule("*", "1", ContentAction::prepend, "X-First: 1"),
               rule("*", "1", ContentAction::prepend, "X-Second: 2"),
               rule("body", "hello", ContentAction::bcc, "copy@example.org")});
  CHECK(rig.greeted_message() == "accept");
  CHECK(rig.result().section == "Received: us\r\nX-First: 1\r\nX-Second: 2\r\nSubject: two\r\n");
  CHECK(edits_of(rig.result()) == "+<copy@example.org>NOTIFY=NEVER");
  CHECK(rig.result().judgements.at(0).edits == 5);
}

TEST_CASE("a redirect takes out all recipients, also those that a filter has added") {
  Rig rig({all_granted()}, {rule("Subject", "one", ContentAction::redirect, "post@example.org"),
                            rule("Subject", "one", ContentAction::redirect, "late@example.org")});
  rig.play("a", [](PlayedFilter::Peer& peer, char command, const std::string& data) {
    if (command == 'E') peer.say('+', texts({"<added@example.org>"}));
    PlayedFilter::agree(peer, command, data);
  });
  CHECK(rig.greeted_message() == "accept");
  CHECK(edits_of(rig.result()) == "-<b@example.net>+<post@example.org>");
}

TEST_CASE("rules see a message as the filters have left it") {
  Rig rig({all_granted()}, {rule("X-Spam", "yes", ContentAction::hold),
                            rule("body", "^new$", ContentAction::prepend, "X-New: 1")});
  rig.play("a", [](PlayedFilter::Peer& peer, char command, const std::string& data) {
    if (command == 'E') {
      peer.say('h', texts({"X-Spam", "yes"}));
      peer.say('b', "new\r\n");
    }
    PlayedFilter::agree(peer, command, data);
  });
  CHECK(rig.greeted_message("old\r\n") == "accept held for content_rules: r");
  CHECK(rig.result().section ==
        "Received: us\r\nX-New: 1\r\nSubject: one\r\nX-A: 1\r\nX-Spam: yes\r\n");
  CHECK(rig.result().body_replaced);
}

TEST_CASE("a rule on another listener is not asked, and nobody waits for rules before the end") {
  ContentRule elsewhere = rule("Subject", "one", ContentAction::refuse);
  elsewhere.on = {"submission"};
  Rig none({}, {elsewhere});
  none.settle();
  REQUIRE_FALSE(none.wants.empty());
  CHECK(none.wants[0].listeners.empty());
  Rig here({}, {rule("Subject", "one", ContentAction::refuse)});
  here.settle();
  REQUIRE(here.wants.at(0).listeners.size() == 1);
  CHECK(here.wants[0].listeners[0].stages == bit_of(FilterStage::end_of_message));
  CHECK_FALSE(here.wants[0].listeners[0].body);
}

TEST_CASE("one message's matches never touch the next") {
  Rig rig({},
          {rule("body", "bad", ContentAction::refuse), rule("body", "odd", ContentAction::hold)});
  CHECK(rig.greeted_message("bad\r\n").starts_with("refuse"));
  CHECK(rig.message("good\r\n") == "accept");
  CHECK(rig.message("odd\r\n").starts_with("accept held"));
  CHECK(rig.message("good\r\n") == "accept");
  rig.envelope();
  rig.smtpd->send(ipc::FilterHeader{rig.session, 0, "Subject: x\r\n"});
  rig.tell(FilterStage::end_of_header, {}, false);
  rig.smtpd->send(ipc::FilterBody{rig.session, "od"});
  rig.smtpd->send(ipc::FilterAbort{rig.session});
  CHECK(rig.message("d\r\n") == "accept");
}
