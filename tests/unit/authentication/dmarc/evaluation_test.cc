// DMARC of whole messages: policies, alignment, and what is asked for them (RFC 9989 4.10, 5.3).
#include <catch2/catch.hpp>

#include <set>

#include "dmarc_zone.h"

using namespace postwain;
using namespace postwain::authentication;

namespace {

constexpr auto kPass = DmarcIdentityState::pass;
constexpr auto kFail = DmarcIdentityState::fail;
constexpr auto kTemporary = DmarcIdentityState::temporary;

// "VERDICT POLICY by TAG of DOMAIN"
std::string outcome(const DmarcResult& result) {
  std::string out(name_of(result.verdict));
  if (result.verdict != DmarcVerdict::pass && result.verdict != DmarcVerdict::fail)
    return out + ": " + std::string(text_of(result.reason));
  const char* tag = result.tag == DmarcPolicyTag::p    ? "p"
                    : result.tag == DmarcPolicyTag::sp ? "sp"
                                                       : "np";
  return out + " " + std::string(name_of(result.policy)) + " by " + tag + " of " +
         result.policy_domain;
}

std::string aligned(const DmarcResult& result) {
  return std::string(result.spf_aligned ? "spf " : "") +
         (result.dkim_aligned ? "dkim " + result.dkim_domain : "");
}

std::string policy_for(const DmarcZone& zone, const std::string& author) {
  return outcome(run(zone, {author, {}, {}}).result);
}

}  // namespace

TEST_CASE("DMARC: whose policy it is") {
  DmarcZone zone{{{"x.example", {"v=DMARC1; p=reject; sp=quarantine"}},
                  {"own.x.example", {"v=DMARC1; p=none; sp=reject"}},
                  {"plain.example", {"v=DMARC1; p=quarantine"}},
                  {"two.example", {"v=DMARC1; p=reject", "v=DMARC1; p=none"}},
                  {"mixed.example", {"v=spf1 -all", "v=DMARC1; p=reject", "something"}},
                  {"other.example", {"v=spf1 -all", "v=DMARC2; p=reject"}},
                  {"bad.example", {"v=DMARC1; p=what"}},
                  {"told.example", {"v=DMARC1; p=what; rua=mailto:a@told.example"}},
                  {"psd", {"v=DMARC1; p=reject; sp=quarantine; psd=y"}},
                  {"x.psd", {"v=DMARC1; p=none"}}}};
  CHECK(policy_for(zone, "x.example") == "fail reject by p of x.example");
  CHECK(policy_for(zone, "X.Example.") == "fail reject by p of x.example");
  CHECK(policy_for(zone, "a.x.example") == "fail quarantine by sp of x.example");
  CHECK(policy_for(zone, "a.b.c.d.x.example") == "fail quarantine by sp of x.example");
  CHECK(policy_for(zone, "own.x.example") == "fail none by p of own.x.example");
  // Below it the organizational domain counts, not the next record.
  CHECK(policy_for(zone, "a.own.x.example") == "fail quarantine by sp of x.example");
  CHECK(policy_for(zone, "a.plain.example") == "fail quarantine by p of plain.example");
  CHECK(policy_for(zone, "nothing.example") == "none: no record");
  CHECK(policy_for(zone, "two.example") == "none: no record");
  CHECK(policy_for(zone, "mixed.example") == "fail reject by p of mixed.example");
  CHECK(policy_for(zone, "other.example") == "none: no record");
  CHECK(policy_for(zone, "bad.example") == "none: record without a valid policy");
  CHECK(policy_for(zone, "told.example") == "fail none by p of told.example");
  CHECK(policy_for(zone, "psd") == "fail reject by p of psd");
  CHECK(policy_for(zone, "y.psd") == "fail quarantine by sp of psd");
  CHECK(policy_for(zone, "a.y.psd") == "fail quarantine by sp of psd");
  CHECK(policy_for(zone, "a.x.psd") == "fail none by p of x.psd");
  CHECK(policy_for(zone, "bücher.example") == "none: no record");
  for (const char* author : {"", "x..example", "[192.0.2.1]", "x y"})
    CHECK(policy_for(zone, author) == "permerror: the author domain is no name of the DNS");
}

TEST_CASE("DMARC: a domain that does not exist") {
  DmarcZone zone{{{"x.example", {"v=DMARC1; p=none; sp=quarantine; np=reject"}},
                  {"y.example", {"v=DMARC1; p=reject; np=none"}},
                  {"same.example", {"v=DMARC1; p=reject; np=reject"}}},
                 {"real.x.example", "real.y.example"}};
  CHECK(policy_for(zone, "real.x.example") == "fail quarantine by sp of x.example");
  CHECK(policy_for(zone, "ghost.x.example") == "fail reject by np of x.example");
  CHECK(policy_for(zone, "real.y.example") == "fail reject by p of y.example");
  CHECK(policy_for(zone, "ghost.y.example") == "fail none by np of y.example");
  CHECK(policy_for(zone, "x.example") == "fail none by p of x.example");  // with a record it exists
  // It is asked only when something follows from it.
  DmarcRun run_same = run(zone, {"ghost.same.example", {}, {}});
  CHECK(outcome(run_same.result) == "fail reject by p of same.example");
  CHECK(run_same.asked.size() == 3);
  DmarcRun passed = run(zone, {"ghost.x.example", {kPass, "x.example"}, {}});
  CHECK(outcome(passed.result) == "pass quarantine by sp of x.example");
  CHECK(passed.asked.size() == 3);
  DmarcRun ghost = run(zone, {"ghost.x.example", {}, {}});
  CHECK(
      std::vector<std::string>(ghost.asked.end() - 3, ghost.asked.end()) ==
      std::vector<std::string>{"mx ghost.x.example", "a ghost.x.example", "aaaa ghost.x.example"});
  zone.existence_fails = true;
  CHECK(policy_for(zone, "real.x.example") == "temperror: temporary failure of the DNS");
}

TEST_CASE("DMARC: one step milder while its owner tests") {
  DmarcZone zone{{{"r.example", {"v=DMARC1; p=reject; sp=quarantine; t=y"}},
                  {"n.example", {"v=DMARC1; p=none; t=y"}},
                  {"pct.example", {"v=DMARC1; p=reject; pct=0"}}}};
  CHECK(policy_for(zone, "r.example") == "fail quarantine by p of r.example");
  CHECK(policy_for(zone, "a.r.example") == "fail none by sp of r.example");
  CHECK(policy_for(zone, "n.example") == "fail none by p of n.example");
  CHECK(policy_for(zone, "pct.example") == "fail reject by p of pct.example");
  CHECK(run(zone, {"r.example", {}, {}}).result.published == DmarcPolicy::reject);
}

TEST_CASE("DMARC: alignment") {
  struct Row {
    std::string record;  // of x.example
    std::string author;
    DmarcIdentity spf;
    std::vector<DmarcIdentity> signatures;
    std::string verdict;
    std::string aligned;
  };
  const std::vector<Row> rows = {
      {"", "x.example", {kPass, "x.example"}, {}, "pass", "spf "},
      {"", "x.example", {kPass, "X.EXAMPLE"}, {}, "pass", "spf "},
      {"", "x.example", {kPass, "mail.x.example"}, {}, "pass", "spf "},
      {"", "news.x.example", {kPass, "mail.x.example"}, {}, "pass", "spf "},
      {"", "news.x.example", {kPass, "x.example"}, {}, "pass", "spf "},
      {"", "x.example", {kPass, "y.example"}, {}, "fail", ""},
      {"", "x.example", {kPass, "x.example.evil"}, {}, "fail", ""},
      {"", "x.example", {kPass, "evilx.example"}, {}, "fail", ""},
      {"", "x.example", {kPass, "example"}, {}, "fail", ""},
      {"", "x.example", {kFail, "x.example"}, {}, "fail", ""},
      {"", "x.example", {kPass, "x y"}, {}, "fail", ""},
      {"", "x.example", {}, {{kPass, "x.example"}}, "pass", "dkim x.example"},
      {"", "x.example", {}, {{kFail, "x.example"}, {kPass, "y.example"}}, "fail", ""},
      {"",
       "x.example",
       {},
       {{kPass, "y.example"}, {kPass, "a.x.example"}},
       "pass",
       "dkim a.x.example"},
      {"",
       "x.example",
       {kPass, "x.example"},
       {{kPass, "b.x.example"}},
       "pass",
       "spf dkim b.x.example"},
      {"; aspf=s", "x.example", {kPass, "mail.x.example"}, {}, "fail", ""},
      {"; aspf=s", "x.example", {kPass, "x.example"}, {}, "pass", "spf "},
      {"; aspf=s", "x.example", {}, {{kPass, "mail.x.example"}}, "pass", "dkim mail.x.example"},
      {"; adkim=s", "x.example", {}, {{kPass, "mail.x.example"}}, "fail", ""},
      {"; adkim=s",
       "news.x.example",
       {},
       {{kPass, "news.x.example"}},
       "pass",
       "dkim news.x.example"},
      // With a record that makes it an organization of its own it is none of the author's.
      {"", "x.example", {kPass, "apart.x.example"}, {}, "fail", ""},
      {"", "apart.x.example", {kPass, "a.apart.x.example"}, {}, "pass", "spf "},
      {"", "apart.x.example", {kPass, "x.example"}, {}, "fail", ""},
  };
  for (const Row& row : rows) {
    DmarcZone zone{{{"x.example", {"v=DMARC1; p=reject" + row.record}},
                    {"apart.x.example", {"v=DMARC1; p=reject; psd=n"}}}};
    INFO(row.author << " " << row.record << " " << row.spf.domain);
    for (bool last_first : {false, true}) {
      DmarcResult result = run(zone, {row.author, row.spf, row.signatures}, last_first).result;
      CHECK(name_of(result.verdict) == row.verdict);
      CHECK(aligned(result) == row.aligned);
    }
  }
}

TEST_CASE("DMARC: the examples of RFC 9989 appendix B.3") {
  DmarcZone simple{
      {{"example.com", {"v=DMARC1; p=reject"}}, {"signing.example.com", {"v=DMARC1; p=none"}}}};
  DmarcResult result =
      run(simple, {"example.com", {kPass, "example.com"}, {{kPass, "signing.example.com"}}}).result;
  CHECK(outcome(result) == "pass reject by p of example.com");
  CHECK(aligned(result) == "spf dkim signing.example.com");

  DmarcRun deep = run(simple, {"a.b.c.d.e.f.g.h.i.j.k.example.com",
                               {kPass, "example.com"},
                               {{kPass, "signing.example.com"}}});
  CHECK(outcome(deep.result) == "pass reject by p of example.com");
  CHECK(aligned(deep.result) == "spf dkim signing.example.com");
  CHECK(deep.asked.size() == 9);
  CHECK(deep.asked[1] == "_dmarc.g.h.i.j.k.example.com");

  DmarcZone bank{{{"bank.example", {"v=DMARC1; p=reject; psd=y"}},
                  {"giant.bank.example", {"v=DMARC1; p=quarantine"}}}};
  result = run(bank, {"giant.bank.example",
                      {kPass, "mail.giant.bank.example"},
                      {{kPass, "mail.mega.bank.example"}}})
               .result;
  CHECK(outcome(result) == "pass quarantine by p of giant.bank.example");
  CHECK(aligned(result) == "spf ");
}

TEST_CASE("DMARC: temporary failures") {
  const std::string dns = "temperror: temporary failure of the DNS";
  const std::string identity = "temperror: temporary failure of SPF or DKIM";
  DmarcZone zone{{{"x.example", {"v=DMARC1; p=reject"}}, {"y.example", {"v=DMARC1; p=reject"}}}};
  auto of = [&](const DmarcInput& input) { return outcome(run(zone, input).result); };
  CHECK(of({"x.example", {kTemporary, "x.example"}, {}}) == identity);
  CHECK(of({"x.example", {}, {{kTemporary, "a.x.example"}}}) == identity);
  CHECK(of({"x.example", {}, {{kTemporary, "other.example"}}}) == "fail reject by p of x.example");
  CHECK(of({"x.example", {kPass, "x.example"}, {{kTemporary, "x.example"}}}) ==
        "pass reject by p of x.example");
  // One signature of the domain passed, another could not be looked at.
  CHECK(of({"x.example", {}, {{kTemporary, "x.example"}, {kPass, "x.example"}}}) ==
        "pass reject by p of x.example");
  zone.failing = {"example"};
  CHECK(of({"x.example", {kPass, "x.example"}, {}}) == "pass reject by p of x.example");
  CHECK(of({"x.example", {}, {}}) == "fail reject by p of x.example");
  CHECK(of({"x.example", {kPass, "a.x.example"}, {}}) == dns);
  CHECK(of({"a.x.example", {kPass, "a.x.example"}, {}}) == dns);
  zone.failing = {"a.x.example"};
  CHECK(of({"a.x.example", {}, {}}) == dns);
  CHECK(of({"x.example", {kPass, "a.x.example"}, {}}) == dns);
  CHECK(of({"x.example", {kPass, "a.x.example"}, {{kPass, "x.example"}}}) ==
        "pass reject by p of x.example");
  // What lies above the end of a walk is of no interest.
  zone.records["x.example"] = {"v=DMARC1; p=reject; psd=n"};
  zone.failing = {"example"};
  CHECK(of({"x.example", {kPass, "a.x.example"}, {}}) == "pass reject by p of x.example");
}

TEST_CASE("DMARC: what is asked, and how often") {
  DmarcZone zone{{{"x.example", {"v=DMARC1; p=reject"}}}};
  auto asked = [&](const DmarcInput& input) { return run(zone, input).asked; };
  using Names = std::vector<std::string>;
  CHECK(asked({"x.example", {}, {}}) == Names{"_dmarc.x.example"});
  CHECK(asked({"x.example", {kPass, "x.example"}, {{kPass, "x.example"}}}) ==
        Names{"_dmarc.x.example"});
  CHECK(asked({"x.example", {kPass, "mail.other"}, {{kFail, "a.x.example"}}}) ==
        Names{"_dmarc.x.example"});
  CHECK(asked({"x.example", {kPass, "far.away.example"}, {}}) ==
        Names{"_dmarc.x.example", "_dmarc.example"});
  CHECK(asked({"x.example", {kPass, "a.b.x.example"}, {{kPass, "b.x.example"}}}) ==
        Names{"_dmarc.x.example", "_dmarc.example", "_dmarc.a.b.x.example", "_dmarc.b.x.example"});

  // Nothing is asked twice, and there is an end, whatever the domains.
  DmarcInput hostile{"1.2.3.4.5.6.7.8.9.x.example", {kPass, "a.b.c.d.e.f.g.h.i.x.example"}, {}};
  for (int i = 0; i < 100; ++i)
    hostile.signatures.push_back(
        {kPass, std::to_string(i) + ".a.b.c.d.e.f.g" + std::to_string(i) + ".x.example"});
  Names many = asked(hostile);
  CHECK(many.size() <= kDmarcQuestionsMax);
  CHECK(std::set<std::string>(many.begin(), many.end()).size() == many.size());
  // Nobody has records there, so the author's organization is his own and nothing more is asked.
  zone.records.clear();
  CHECK(asked(hostile).size() == kWalkNamesMax);
}

TEST_CASE("DMARC: a name too long to have a record") {
  std::string label(63, 'a');
  std::string author = label + "." + label + "." + label + "." + std::string(50, 'b') + ".example";
  REQUIRE(author.size() == 250);
  DmarcZone zone{{{"example", {"v=DMARC1; p=reject"}}}};
  DmarcRun found = run(zone, {author, {}, {}});
  CHECK(outcome(found.result) == "fail reject by p of example");
  CHECK(found.asked.size() == 4);
}

TEST_CASE("DMARC: answers out of turn") {
  DmarcEvaluation evaluation({"x.example", {}, {}});
  evaluation.answer(7, {dns::AnswerStatus::ok, {"v=DMARC1; p=reject"}});
  CHECK_FALSE(evaluation.done());
  CHECK(evaluation.take_questions().size() == 1);
  CHECK(evaluation.take_questions().empty());
  evaluation.answer(0, {dns::AnswerStatus::ok, {"v=DMARC1; p=reject"}});
  REQUIRE(evaluation.done());
  evaluation.answer(0, {dns::AnswerStatus::temporary});
  CHECK(evaluation.result().verdict == DmarcVerdict::fail);
  CHECK(evaluation.take_questions().empty());
}

TEST_CASE("DMARC: identities of a domain without a policy, for who asks for them") {
  DmarcZone zone{{{"bad.example", {"v=DMARC1; p=what"}}}};
  struct Row {
    const char* author;
    DmarcIdentity spf;
    DmarcIdentity signature;
    const char* want;
    bool undecided;
  };
  const Row rows[] = {
      {"x.example", {kPass, "x.example"}, {kFail, "x.example"}, "spf ", false},
      {"x.example", {kFail, "x.example"}, {kPass, "x.example"}, "dkim x.example", false},
      {"bad.example", {kPass, "bad.example"}, {}, "spf ", false},
      {"x.example", {kPass, "y.example"}, {kPass, "z.example"}, "", false},
      {"x.example", {kTemporary, "x.example"}, {kPass, "z.example"}, "", true},
      {"x.example", {kTemporary, "y.example"}, {}, "", false},
      {"x.example", {kTemporary, "x.example"}, {kPass, "x.example"}, "dkim x.example", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.author, row.want);
    DmarcInput input{row.author, row.spf, {row.signature}, true};
    DmarcResult found = run(zone, input).result;
    CHECK(found.verdict == DmarcVerdict::none);
    CHECK(found.reason != DmarcReason::none);
    CHECK(aligned(found) == row.want);
    CHECK(found.undecided == row.undecided);
    input.always_align = false;
    CHECK(aligned(run(zone, input).result).empty());
  }
}
