// Evaluations of SPF: which result, what decided, and what was asked for it.
#include <catch2/catch.hpp>

#include "tests/unit/authentication/spf/spf_harness.h"

using namespace postwain;
using namespace postwain::authentication;
using namespace postwain::authentication::testing;

namespace {

// "result [mechanism]" of a record at example.org.
std::string decision(FakeDns dns, const std::string& record, const std::string& client) {
  SpfFinding finding = run(dns.text("example.org", record), facts_of(client)).finding;
  std::string out(name_of(finding.result));
  return finding.mechanism.empty() ? out : out + " [" + finding.mechanism + ']';
}

FakeDns world() {
  FakeDns dns;
  dns.address("example.org", "192.0.2.1").address("example.org", "2001:db8::1");
  dns.address("host.example.org", "192.0.2.65").address("host.example.org", "2001:db8:1::1");
  dns.mx("example.org", "MX1.example.org.", 20).mx("example.org", "mx2.example.org");
  dns.address("mx1.example.org", "192.0.2.10").address("mx1.example.org", "2001:db8:2::10");
  dns.address("mx2.example.org", "192.0.2.20").address("mx2.example.org", "2001:db8:2::20");
  dns.pointer("203.0.113.9", "Client.Example.ORG.").pointer("203.0.113.9", "liar.example.org");
  dns.address("client.example.org", "203.0.113.9").address("liar.example.org", "203.0.113.1");
  dns.text("_spf.example.org", "v=spf1 ip4:198.51.100.0/24 -ip4:198.51.0.0/16 ?all");
  dns.address("9.113.0.203.list.example.net", "127.0.0.2");
  return dns;
}

}  // namespace

TEST_CASE("mechanisms of SPF") {
  struct Case {
    std::string terms;
    std::string client;
    std::string expected;
  };
  const Case cases[] = {
      {"", "192.0.2.1", "neutral [default]"},
      {"-all", "192.0.2.1", "fail [-all]"},
      {"~all", "192.0.2.1", "softfail [~all]"},
      {"?all", "192.0.2.1", "neutral [?all]"},
      {"a -all", "192.0.2.1", "pass [a]"},
      {"a -all", "::ffff:192.0.2.1", "pass [a]"},
      {"a -all", "2001:db8::1", "pass [a]"},
      {"a -all", "2001:db8::2", "fail [-all]"},
      {"-A/24 all", "192.0.2.77", "fail [-A/24]"},
      {"a/24 -all", "2001:db8::2", "fail [-all]"},
      {"a/24//120 -all", "2001:db8::2", "pass [a/24//120]"},
      {"a:HOST.Example.org./26 -all", "192.0.2.66", "pass [a:HOST.Example.org./26]"},
      {"a:none.example.org/0 -all", "192.0.2.66", "fail [-all]"},
      {"mx -all", "192.0.2.20", "pass [mx]"},
      {"mx -all", "192.0.2.1", "fail [-all]"},
      {"mx//112 -all", "2001:db8:2::ffff", "pass [mx//112]"},
      {"ip4:192.0.2.64/26 -all", "192.0.2.127", "pass [ip4:192.0.2.64/26]"},
      {"ip4:192.0.2.64/26 -all", "192.0.2.128", "fail [-all]"},
      {"ip6:::/0 ip4:0.0.0.0/0", "::ffff:192.0.2.1", "pass [ip4:0.0.0.0/0]"},
      {"ip6:::ffff:192.0.2.1 ?all", "192.0.2.1", "neutral [?all]"},
      {"ptr -all", "203.0.113.9", "pass [ptr]"},
      {"ptr:Example.ORG -all", "203.0.113.9", "pass [ptr:Example.ORG]"},
      {"ptr:ample.org -all", "203.0.113.9", "fail [-all]"},
      {"ptr:liar.example.org -all", "203.0.113.9", "fail [-all]"},
      {"ptr -all", "192.0.2.1", "fail [-all]"},
      {"exists:%{ir}.list.example.net -all", "203.0.113.9", "pass [exists:%{ir}.list.example.net]"},
      {"exists:%{ir}.list.example.net -all", "203.0.113.8", "fail [-all]"},
      {"include:_spf.example.org -all", "198.51.100.7",
       "pass [include:_spf.example.org > ip4:198.51.100.0/24]"},
      {"-include:_spf.example.org all", "198.51.100.7",
       "fail [-include:_spf.example.org > ip4:198.51.100.0/24]"},
      {"include:_spf.example.org ~all", "198.51.7.7", "softfail [~all]"},
      {"include:_spf.example.org ~all", "192.0.2.1", "softfail [~all]"},
      {"redirect=_spf.example.org", "198.51.7.7", "fail [-ip4:198.51.0.0/16]"},
      {"redirect=none.example.org ~all", "192.0.2.1", "softfail [~all]"},
      {"redirect=none.example.org", "192.0.2.1", "permerror"},
      {"include:none.example.org all", "192.0.2.1", "permerror"},
      {"include:host.example.org all", "192.0.2.1", "permerror"},
  };
  for (const Case& one : cases) {
    INFO(one.terms << " for " << one.client);
    CHECK(decision(world(), "v=spf1 " + one.terms, one.client) == one.expected);
  }
}

TEST_CASE("domains that cannot have a record are not looked up") {
  FakeDns dns;
  for (const char* sender :
       {"user@localhost", "user@[192.0.2.1]", "user@a..example", "user@.example.org", "user@",
        "postmaster", "user@a b.example", "user@exam%ple.org", "user@b\xff.example"}) {
    INFO(sender);
    Run one = run(dns, facts_of("192.0.2.1", sender));
    CHECK(one.finding.result == SpfResult::none);
    CHECK(one.finding.reason == "the domain is no full name of a host");
    CHECK(one.questions == 0);
  }
  CHECK(run(dns, facts_of("192.0.2.1", "u@" + std::string(64, 'a') + ".org")).questions == 0);
  std::string long_name = "u@";
  for (int i = 0; i < 130; ++i) long_name += "a.";
  CHECK(run(dns, facts_of("192.0.2.1", long_name + "org")).questions == 0);
  CHECK(run(dns, facts_of("192.0.2.1", std::string(5000, 'a') + "@example.org")).finding.reason ==
        "the sender is too long");
  CHECK(run(dns, facts_of("unix:/run/x")).finding.reason == "the client has no IP address");
}

TEST_CASE("whose name is tested") {
  FakeDns dns;
  dns.text("mail.example.org", "v=spf1 exists:%{l}.%{o}.%{d}.%{h}.x -all");
  dns.address("postmaster.mail.example.org.mail.example.org.mail.example.org.x", "127.0.0.2");
  SpfFinding helo = run(dns, facts_of("192.0.2.1", "")).finding;
  CHECK(helo.result == SpfResult::pass);
  CHECK(helo.identity == SpfIdentity::helo);
  CHECK(helo.domain == "mail.example.org");
  dns.text("xn--bcher-kva.example", "v=spf1 a:%{o} -all");
  dns.address("xn--bcher-kva.example", "192.0.2.1");
  SpfFinding idn = run(dns, facts_of("192.0.2.1",
                                     "user@B\xc3\xbc"
                                     "cher.Example."))
                       .finding;
  CHECK(idn.result == SpfResult::pass);
  CHECK(idn.identity == SpfIdentity::mail_from);
  CHECK(idn.domain == "xn--bcher-kva.example");
}

TEST_CASE("the macro d is the domain of the record, and o that of the sender") {
  FakeDns dns;
  dns.text("example.org", "v=spf1 include:inner.example.net exists:%{d}.last.%{o} -all");
  dns.text("inner.example.net", "v=spf1 exists:%{d}.of.%{o} redirect=next.%{d}");
  dns.text("next.inner.example.net", "v=spf1 exists:%{d}.of.%{o} -all");
  CHECK(run(dns, facts_of("192.0.2.1")).asked ==
        "txt example.org | txt inner.example.net | a inner.example.net.of.example.org | "
        "txt next.inner.example.net | a next.inner.example.net.of.example.org | "
        "a example.org.last.example.org");
}

TEST_CASE("a local part that is not ASCII matches nothing, and is not asked") {
  FakeDns dns;
  dns.text("example.org", "v=spf1 exists:%{l}.users.example.org -all exp=why.example.org");
  dns.text("why.example.org", "not %{l}");
  Run one = run(dns, facts_of("192.0.2.1", "b\xc3\xbc@example.org"));
  CHECK(one.finding.result == SpfResult::fail);
  CHECK(one.finding.explanation == "not b??");
  CHECK(one.asked == "txt example.org | txt why.example.org");
}

TEST_CASE("as few rounds of questions as possible") {
  FakeDns dns = world();
  struct Case {
    std::string terms;
    std::string client;
    std::string asked;
  };
  const Case cases[] = {
      {"ip4:192.0.2.0/24 mx a -all", "192.0.2.1", ""},
      {"mx -all", "192.0.2.99", " | mx example.org | a mx2.example.org a mx1.example.org"},
      {"mx -all", "2001:db8::9", " | mx example.org | aaaa mx2.example.org aaaa mx1.example.org"},
      {"a a:example.org a:EXAMPLE.org. -all", "192.0.2.99", " | a example.org"},
      {"exists:example.org", "2001:db8::9", " | a example.org"},
      {"ptr:client.example.org exists:%{p}.x.example -all", "203.0.113.9",
       " | ptr 203.0.113.9 | a client.example.org"},
      {"exists:%{p}.x.example ptr -all", "203.0.113.9",
       " | ptr 203.0.113.9 | a client.example.org a liar.example.org | "
       "a client.example.org.x.example"},
      {"ptr:other.example -all", "203.0.113.9", " | ptr 203.0.113.9"},
  };
  for (const Case& one : cases) {
    INFO(one.terms << " for " << one.client);
    FakeDns zone = dns;
    zone.text("example.org", "v=spf1 " + one.terms);
    CHECK(run(zone, facts_of(one.client)).asked == "txt example.org" + one.asked);
  }
}

TEST_CASE("an explanation is the text of the record that failed, and only where it is wanted") {
  FakeDns dns;
  dns.text("example.org", "v=spf1 include:inner.example.org exp=why.%{d} -all");
  dns.text("inner.example.org", "v=spf1 -all exp=inner-why.example.org");
  dns.text("inner-why.example.org", "wrong");
  dns.text("why.example.org", "%{c} may not send for %{d} (%{p})");
  SpfFacts facts = facts_of("192.0.2.1");
  CHECK(run(dns, facts).finding.explanation == "192.0.2.1 may not send for example.org (unknown)");
  facts.wants_explanation = false;
  Run without = run(dns, facts);
  CHECK(without.finding.explanation.empty());
  CHECK(without.asked == "txt example.org | txt inner.example.org");
}

TEST_CASE("answers that nobody asked for, or twice, change nothing") {
  FakeDns dns = world();
  SpfCheck check(facts_of("192.0.2.1"));
  DnsAnswer record{dns::AnswerStatus::ok, {"v=spf1 a -all"}};
  check.answer(0, record);  // not given yet
  CHECK(check.take_questions() == std::vector<DnsQuestion>{{Ask::text, "example.org"}});
  check.answer(7, record);
  CHECK_FALSE(check.done());
  check.answer(0, record);
  check.answer(0, {dns::AnswerStatus::ok, {"v=spf1 +all"}});
  CHECK_FALSE(check.done());
  CHECK(check.take_questions() == std::vector<DnsQuestion>{{Ask::ipv4, "example.org"}});
  CHECK(check.take_questions().empty());
  check.answer(1, dns.answer({Ask::ipv4, "example.org"}));
  REQUIRE(check.done());
  check.answer(1, {});
  CHECK(check.finding().result == SpfResult::pass);
}
