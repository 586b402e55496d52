// What domains, clients and the DNS may do to an evaluation: limits, failures and hostile answers.
#include <catch2/catch.hpp>

#include "tests/unit/authentication/spf/spf_harness.h"

using namespace postwain;
using namespace postwain::authentication;
using namespace postwain::authentication::testing;

namespace {

constexpr const char* kStranger = "203.0.113.9";
constexpr const char* kStranger6 = "2001:db8:9::9";

// "result", or "permerror: reason".
std::string outcome(const FakeDns& dns, const std::string& client = kStranger) {
  SpfFinding finding = run(dns, facts_of(client)).finding;
  std::string out(name_of(finding.result));
  return finding.reason.empty() ? out : out + ": " + finding.reason;
}

std::string numbered(std::string_view before, int number, std::string_view after) {
  return std::string(before) + std::to_string(number) + std::string(after);
}

// "v=spf1 a:h1.example.org a:h2.example.org … -all"
std::string record_of(const std::string& mechanism, int count) {
  std::string record = "v=spf1";
  for (int i = 1; i <= count; ++i) record += numbered(" " + mechanism + ":h", i, ".example.org");
  return record + " -all";
}

}  // namespace

TEST_CASE("ten terms may ask the DNS") {
  FakeDns dns;
  for (int i = 1; i <= 11; ++i) dns.address(numbered("h", i, ".example.org"), "192.0.2.1");
  CHECK(outcome(FakeDns(dns).text("example.org", record_of("a", 10))) == "fail");
  CHECK(outcome(FakeDns(dns).text("example.org", record_of("a", 11))) ==
        "permerror: more than 10 terms that ask the DNS");
  CHECK(outcome(FakeDns(dns).text("example.org", record_of("exists", 11))) == "pass");
}

TEST_CASE("terms of includes and redirects are counted together") {
  FakeDns dns;
  for (int i = 1; i <= 11; ++i)
    dns.text(numbered("h", i, ".example.org"), "v=spf1 ip4:192.0.2.1 ?all");
  CHECK(outcome(FakeDns(dns).text("example.org", record_of("include", 10))) == "fail");
  CHECK(outcome(FakeDns(dns).text("example.org", record_of("include", 11))) ==
        "permerror: more than 10 terms that ask the DNS");
  CHECK(outcome(FakeDns(dns).text("example.org", "v=spf1 redirect=example.org")) ==
        "permerror: more than 10 terms that ask the DNS");
  CHECK(outcome(FakeDns(dns).text("example.org", "v=spf1 include:example.org -all")) ==
        "permerror: more than 10 terms that ask the DNS");
  Run loop =
      run(FakeDns().text("example.org", "v=spf1 include:%{l}.%{d} -all"), facts_of(kStranger));
  CHECK(loop.questions == 2);
}

TEST_CASE("two terms may find nothing") {
  FakeDns dns;
  CHECK(outcome(FakeDns().text("example.org", record_of("a", 2))) == "fail");
  CHECK(outcome(FakeDns().text("example.org", record_of("a", 3))) ==
        "permerror: more than 2 terms that find nothing");
  CHECK(outcome(FakeDns().text("example.org", record_of("exists", 3))) ==
        "permerror: more than 2 terms that find nothing");
  CHECK(outcome(FakeDns().text("example.org", record_of("mx", 3))) ==
        "permerror: more than 2 terms that find nothing");
  CHECK(outcome(FakeDns().text("example.org", "v=spf1 a:n.example a:n.example a:n.example -all")) ==
        "permerror: more than 2 terms that find nothing");
  CHECK(outcome(FakeDns().text("example.org", "v=spf1 ptr a:n.example ptr -all")) ==
        "permerror: more than 2 terms that find nothing");
  SpfFacts patient = facts_of(kStranger);
  patient.void_terms_max = 3;
  CHECK(result_of(FakeDns().text("example.org", record_of("a", 3)), patient) == "fail");
  // What exists in another type only is not there either (RFC 7208 4.6.4).
  for (int i = 1; i <= 3; ++i) dns.address(numbered("h", i, ".example.org"), "192.0.2.1");
  CHECK(outcome(FakeDns(dns).text("example.org", record_of("a", 3)), kStranger6) ==
        "permerror: more than 2 terms that find nothing");
}

TEST_CASE("an mx of many hosts without addresses of the client's family is one term") {
  FakeDns dns;
  for (int i = 1; i <= 4; ++i) {
    dns.mx("example.org", numbered("h", i, ".example.org"));
    dns.address(numbered("h", i, ".example.org"), "192.0.2.1");
  }
  CHECK(outcome(FakeDns(dns).text("example.org", "v=spf1 mx -all"), kStranger6) == "fail");
  CHECK(outcome(FakeDns(dns).text("example.org", "v=spf1 mx mx -all"), kStranger6) == "fail");
  CHECK(outcome(FakeDns(dns).text("example.org", "v=spf1 mx mx mx -all"), kStranger6) ==
        "permerror: more than 2 terms that find nothing");
  dns.address("h4.example.org", "2001:db8::4");  // one of them has one
  CHECK(outcome(FakeDns(dns).text("example.org", "v=spf1 mx mx mx -all"), kStranger6) == "fail");
}

TEST_CASE("hosts of an mx have a limit of their own") {
  FakeDns ten;
  for (int i = 1; i <= 10; ++i) {
    ten.mx("example.org", numbered("h", i, ".example.org"));
    ten.address(numbered("h", i, ".example.org"), numbered("192.0.2.", i, ""));
  }
  // A term more for each of them would be more than ten.
  FakeDns dns = ten;
  dns.text("example.org", "v=spf1 mx mx mx ip4:203.0.113.9 -all");
  CHECK(outcome(dns) == "pass");
  CHECK(outcome(FakeDns(ten).text("example.org", "v=spf1 mx -all"), "192.0.2.10") == "pass");
  ten.mx("example.org", "h1.example.org");
  CHECK(outcome(FakeDns(ten).text("example.org", "v=spf1 mx -all"), "192.0.2.1") ==
        "permerror: more than 10 MX records: mx");
}

TEST_CASE("a null MX has no hosts, and is not nothing") {
  FakeDns dns;
  dns.mx("h1.example.org", "").mx("h2.example.org", ".").mx("h3.example.org", "localhost");
  CHECK(outcome(dns.text("example.org", record_of("mx", 3))) == "fail");
}

TEST_CASE("of many names of a client ten are looked at") {
  FakeDns dns;
  dns.text("example.org", "v=spf1 ptr -all");
  for (int i = 1; i <= 100; ++i) dns.pointer(kStranger, numbered("h", i, ".example.org"));
  dns.address("h11.example.org", kStranger);
  Run one = run(dns, facts_of(kStranger));
  CHECK(one.finding.result == SpfResult::fail);
  CHECK(one.questions == 12);
  dns.address("h10.example.org", kStranger);
  CHECK(outcome(dns) == "pass");
}

TEST_CASE("the macro p prefers the domain, and names below it") {
  FakeDns dns;
  dns.text("example.org", "v=spf1 -all exp=why.example.org").text("why.example.org", "%{p}");
  auto said = [&] { return run(dns, facts_of(kStranger)).finding.explanation; };
  CHECK(said() == "unknown");
  dns.pointer(kStranger, "forged.example.org").address("forged.example.org", "192.0.2.1");
  CHECK(said() == "unknown");
  dns.pointer(kStranger, "a.example.net").address("a.example.net", kStranger);
  CHECK(said() == "a.example.net");
  dns.pointer(kStranger, "Z.Example.ORG.").address("z.example.org", kStranger);
  CHECK(said() == "z.example.org");
  dns.pointer(kStranger, "example.org").address("example.org", kStranger);
  CHECK(said() == "example.org");
  dns.fails(Ask::names, kStranger);
  CHECK(said() == "unknown");
}

TEST_CASE("two records are an error, and other texts are not") {
  FakeDns dns;
  dns.text("example.org", "v=spf1 +all").text("example.org", "v=spf10 x");
  dns.text("example.org", "\xff\xfe").text("example.org", "");
  CHECK(outcome(dns) == "pass");
  dns.text("example.org", "V=SPF1");
  CHECK(outcome(dns) == "permerror: example.org has more than one record");
}

TEST_CASE("failures of the DNS are temporary, but not where a match is known") {
  struct Case {
    std::string terms;
    std::string expected;
  };
  // Loops of CNAMEs are failures as the resolver sees them.
  FakeDns dns;
  dns.fails(Ask::ipv4, "loop.example.org").fails(Ask::mx, "loop.example.org");
  dns.fails(Ask::text, "loop.example.org");
  dns.mx("example.org", "loop.example.org").mx("example.org", "good.example.org");
  dns.address("good.example.org", "192.0.2.1");
  dns.pointer(kStranger, "loop.example.org").pointer(kStranger, "good.example.net");
  dns.address("good.example.net", kStranger);
  const Case cases[] = {
      {"a:loop.example.org all", "temperror: no answer for a:loop.example.org"},
      {"mx:loop.example.org all", "temperror: no answer for mx:loop.example.org"},
      {"exists:loop.example.org all", "temperror: no answer for exists:loop.example.org"},
      {"include:loop.example.org all", "temperror: no answer for the record of loop.example.org"},
      {"redirect=loop.example.org", "temperror: no answer for the record of loop.example.org"},
      {"mx all", "temperror: no answer for mx"},
      {"mx/0 -all", "pass"},
      {"ptr:example.org -all", "fail"},
      {"ptr:example.net -all", "pass"},
      {"ip4:203.0.113.9 a:loop.example.org", "pass"},
      {"-all exp=loop.example.org", "fail"},
  };
  for (const Case& one : cases) {
    INFO(one.terms);
    CHECK(outcome(FakeDns(dns).text("example.org", "v=spf1 " + one.terms)) == one.expected);
  }
  CHECK(outcome(FakeDns().fails(Ask::text, "example.org")) ==
        "temperror: no answer for the record of example.org");
}

TEST_CASE("a mistake anywhere counts before anything is asked") {
  FakeDns dns;
  dns.text("example.org", "v=spf1 ip4:203.0.113.9 a:h.example.org -all moo");
  Run one = run(dns, facts_of(kStranger));
  CHECK(one.finding.reason == "in the record of example.org: no mechanism: moo");
  CHECK(one.finding.mechanism.empty());
  CHECK(one.asked == "txt example.org");
}

TEST_CASE("mixed case and final dots are the same names") {
  FakeDns dns;
  dns.text("example.org", "v=spf1 include:_SPF.Example.Org. redirect=%{D}.");
  CHECK(outcome(dns) == "permerror: in the record of example.org: no domain: redirect=%{D}.");
  FakeDns right;
  right.text("example.org", "V=SPF1 INCLUDE:_SPF.Example.Org. ReDirect=B.%{D}");
  right.text("_spf.example.org", "v=spf1 a:A.Example.Org.");
  right.address("a.example.org", "192.0.2.1");
  right.text("b.example.org", "v=spf1 MX:Example.Org. -ALL").mx("example.org", "A.EXAMPLE.org.");
  SpfFacts facts = facts_of(kStranger, "User@EXAMPLE.org.");
  CHECK(run(right, facts).asked ==
        "txt example.org | txt _spf.example.org | a a.example.org | txt b.example.org | "
        "mx example.org");
  CHECK(result_of(right, facts) == "fail");
}

TEST_CASE("hostile explanations") {
  struct Case {
    std::string text;
    std::string explanation;
  };
  const Case cases[] = {
      {"plain", "plain"},
      {"two\r\n550 lines", ""},
      {"a\x1b[31m", ""},
      {"\xe2\x80\xae", ""},
      {std::string("a\0b", 3), ""},
      {"%{l} %n %s", ""},
      {"%{d200}%{l100-}", "example.orguser"},
      {std::string(100000, 'a'), ""},
      {std::string(300, 'a'), std::string(200, 'a')},
  };
  for (const Case& one : cases) {
    INFO(one.text.substr(0, 40));
    FakeDns dns;
    dns.text("example.org", "v=spf1 -all exp=why.example.org").text("why.example.org", one.text);
    SpfFinding finding = run(dns, facts_of(kStranger)).finding;
    CHECK(finding.result == SpfResult::fail);
    CHECK(finding.explanation == one.explanation);
  }
  FakeDns two;
  two.text("example.org", "v=spf1 -all exp=why.example.org");
  two.text("why.example.org", "one").text("why.example.org", "two");
  CHECK(run(two, facts_of(kStranger)).finding.explanation.empty());
}

TEST_CASE("huge answers are looked at in part") {
  FakeDns dns;
  dns.text("example.org", "v=spf1 a -all");
  for (int i = 0; i < 5000; ++i) dns.address("example.org", "192.0.2.1");
  dns.address("example.org", kStranger);
  CHECK(outcome(dns) == "fail");
  FakeDns texts;
  for (int i = 0; i < 5000; ++i) texts.text("example.org", "spam");
  texts.text("example.org", "v=spf1 +all");
  CHECK(outcome(texts) == "none: example.org has no record");
  CHECK(outcome(FakeDns().text("example.org", "v=spf1 " + std::string(1U << 20, 'a'))) ==
        "permerror: in the record of example.org: longer than 16384");
  FakeDns junk;
  junk.text("example.org", "v=spf1 a mx -all").address("example.org", std::string(1U << 20, '1'));
  junk.mx("example.org", std::string(1U << 20, 'h')).mx("example.org", "a..b");
  CHECK(outcome(junk) == "fail");
}

TEST_CASE("the longest record with the most macros ends soon") {
  std::string record = "v=spf1";
  for (int i = 0; i < 10; ++i) {
    record += " exists:";
    while (record.size() % 1600 < 1580) record += "%{S}";
    record += ".example.org";
  }
  FakeDns dns;
  dns.text("example.org", record + " -all");
  SpfFacts facts = facts_of(kStranger, std::string(1000, '=') + "@example.org");
  facts.void_terms_max = 10;
  CHECK(result_of(dns, facts) == "fail");
}

TEST_CASE("whoever has no more time answers with failures until it is done") {
  SpfCheck check(facts_of(kStranger));
  REQUIRE(check.take_questions().size() == 1);
  check.answer(0, {dns::AnswerStatus::ok, {"v=spf1 ptr exists:%{p}.a.example -all"}});
  REQUIRE(check.take_questions().size() == 1);
  check.answer(1, {});  // no name of the client is no failure
  REQUIRE(check.take_questions() == std::vector<DnsQuestion>{{Ask::ipv4, "unknown.a.example"}});
  check.answer(2, {});
  REQUIRE(check.done());
  CHECK(check.finding().result == SpfResult::temperror);
}

TEST_CASE("one host that matches is enough, and the others are not waited for") {
  SpfCheck check(facts_of("192.0.2.1"));
  check.take_questions();
  check.answer(0, {dns::AnswerStatus::ok, {"v=spf1 mx a:x.example -all"}});
  check.take_questions();
  check.answer(1, {dns::AnswerStatus::ok, {}, {{10, "a.example"}, {20, "b.example"}}});
  REQUIRE(check.take_questions().size() == 2);
  check.answer(3, {dns::AnswerStatus::ok, {"192.0.2.1"}});
  REQUIRE(check.done());
  check.answer(2, {dns::AnswerStatus::ok, {"192.0.2.9"}});
  CHECK(check.finding().result == SpfResult::pass);
  CHECK(check.finding().mechanism == "mx");
}

TEST_CASE("a hello of any length") {
  CHECK(result_of(FakeDns(), [] {
          SpfFacts facts = facts_of("192.0.2.1", "");
          facts.helo = std::string(1U << 20, 'a') + ".example";
          return facts;
        }()) == "none");
}

TEST_CASE("no evaluation asks more than it may") {
  FakeDns dns;
  std::string record = "v=spf1";
  for (int term = 1; term <= 9; ++term) {
    std::string name = numbered("m", term, ".example.org");
    record += " mx:" + name;
    for (int i = 1; i <= 10; ++i) {
      std::string host = numbered("h", i, "." + name);
      dns.mx(name, host).address(host, "192.0.2.1");
    }
  }
  for (int i = 1; i <= 20; ++i) dns.pointer(kStranger, numbered("p", i, ".example.net"));
  dns.mx("m10.example.org", "h.m10.example.org").address("h.m10.example.org", "192.0.2.1");
  for (int i = 2; i <= 10; ++i) {
    std::string host = numbered("h", i, ".m10.example.org");
    dns.mx("m10.example.org", host).address(host, "192.0.2.1");
  }
  dns.text("example.org", record + " mx:m10.example.org -all exp=%{p}.why.example.org");
  dns.text("unknown.why.example.org", "no");
  Run one = run(dns, facts_of(kStranger));
  CHECK(one.finding.result == SpfResult::fail);
  CHECK(one.finding.explanation == "no");
  CHECK(one.questions == kSpfQuestionsMax);
}

TEST_CASE("texts of a finding are short and printable") {
  FakeDns dns;
  std::string name = std::string(60, 'a') + ".example.org";
  std::string path;
  for (int i = 0; i < 9; ++i) {
    dns.text(i == 0 ? "example.org" : numbered("i", i, "." + name),
             "v=spf1 include:" + numbered("i", i + 1, "." + name));
  }
  dns.text("i9." + name, "v=spf1 +all");
  SpfFinding finding = run(dns, facts_of(kStranger)).finding;
  CHECK(finding.result == SpfResult::pass);
  CHECK(finding.mechanism.size() <= kSpfTextMax);
  CHECK(finding.mechanism.find("include:i1.aaa") == 0);
  FakeDns wrong;
  wrong.text("example.org", "v=spf1 " + std::string(500, '\\'));
  finding = run(wrong, facts_of(kStranger)).finding;
  CHECK(finding.result == SpfResult::permerror);
  CHECK(finding.reason.size() <= kSpfTextMax);
}
