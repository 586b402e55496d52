// What of a message's findings is told to the domain of its author.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "filter/deciding/dmarc_row.h"

using namespace postwain;
using namespace postwain::filter;
using authentication::DmarcPolicy;
using authentication::DmarcReason;
using authentication::DmarcVerdict;
using config::AuthenticationAction;
using mail::DmarcDone;
using mail::DmarcExcuse;

namespace {

using authentication::dkim::SignatureResult;
using authentication::dkim::Verdict;

constexpr std::string_view kReporter = "dmarc@us.example";

AuthenticationFindings findings_of(DmarcVerdict verdict, DmarcPolicy policy) {
  AuthenticationFindings out;
  out.client = "192.0.2.9";
  out.mail_from = "Bob@Bounce.Far.Example";
  out.spf.emplace();
  out.spf->result = authentication::SpfResult::softfail;
  out.spf->domain = "bounce.far.example";
  out.dkim.emplace();
  out.author = {authentication::AuthorVerdict::one, "news.far.example"};
  out.dmarc.emplace();
  authentication::DmarcResult& dmarc = *out.dmarc;
  dmarc.verdict = verdict;
  dmarc.author = "news.far.example";
  dmarc.policy_domain = "far.example";
  dmarc.record.policy = policy;
  dmarc.record.aggregate_reports = {{"mailto:r@far.example", "r@far.example", 0}};
  dmarc.policy = dmarc.published = policy;
  return out;
}

SignatureResult signature(Verdict verdict, const std::string& domain) {
  SignatureResult out;
  out.verdict = verdict;
  out.domain = out.domain_key = domain;
  out.selector = "s";
  return out;
}

// With what was done, as the judge decides it.
std::optional<mail::DmarcResult> result_of(const config::Authentication& settings,
                                           const AuthenticationFindings& findings) {
  return reported_result(settings, findings, verdict_of(settings, findings), kReporter);
}

}  // namespace

TEST_CASE("what was done, and why it was less than the domain wished") {
  struct Case {
    DmarcVerdict verdict;
    DmarcPolicy policy;
    AuthenticationAction setting;
    config::FilterMode mode;
    bool from_list;
    DmarcDone done;
    DmarcExcuse excuse;
  };
  constexpr auto kEnforce = config::FilterMode::enforce;
  constexpr auto kWatch = config::FilterMode::watch;
  constexpr auto kRefuse = AuthenticationAction::refuse;
  constexpr auto kNote = AuthenticationAction::note;
  constexpr auto kNone = DmarcExcuse::none;
  const Case cases[] = {
      {DmarcVerdict::pass, DmarcPolicy::none, kRefuse, kEnforce, false, DmarcDone::none, kNone},
      {DmarcVerdict::pass, DmarcPolicy::reject, kRefuse, kEnforce, false, DmarcDone::pass, kNone},
      {DmarcVerdict::pass, DmarcPolicy::reject, kNote, kWatch, false, DmarcDone::pass, kNone},
      {DmarcVerdict::fail, DmarcPolicy::none, kRefuse, kEnforce, false, DmarcDone::none, kNone},
      {DmarcVerdict::fail, DmarcPolicy::none, kNote, kWatch, false, DmarcDone::none, kNone},
      {DmarcVerdict::fail, DmarcPolicy::quarantine, kRefuse, kEnforce, false, DmarcDone::quarantine,
       kNone},
      {DmarcVerdict::fail, DmarcPolicy::reject, kRefuse, kEnforce, false, DmarcDone::reject, kNone},
      {DmarcVerdict::fail, DmarcPolicy::reject, AuthenticationAction::hold, kEnforce, false,
       DmarcDone::quarantine, DmarcExcuse::local_policy},
      {DmarcVerdict::fail, DmarcPolicy::reject, kNote, kEnforce, false, DmarcDone::none,
       DmarcExcuse::local_policy},
      {DmarcVerdict::fail, DmarcPolicy::reject, kRefuse, kEnforce, true, DmarcDone::quarantine,
       DmarcExcuse::mailing_list},
      {DmarcVerdict::fail, DmarcPolicy::reject, kRefuse, kWatch, false, DmarcDone::none,
       DmarcExcuse::local_policy},
  };
  for (const Case& one : cases) {
    config::Authentication settings;
    settings.dmarc = one.setting;
    settings.mode = one.mode;
    AuthenticationFindings findings = findings_of(one.verdict, one.policy);
    findings.from_list = one.from_list;
    auto result = result_of(settings, findings);
    REQUIRE(result);
    CHECK(result->row.done == one.done);
    CHECK(result->row.excuse == one.excuse);
  }
}

TEST_CASE("what was done for another reason than DMARC is told, too, as our own policy") {
  struct Case {
    DmarcVerdict verdict;
    DmarcPolicy policy;
    AuthenticationAction dmarc, own_domains, spf, dkim;
    bool from_list;
    config::FilterMode mode;
    DmarcDone done;
    DmarcExcuse excuse;
  };
  constexpr auto kEnforce = config::FilterMode::enforce;
  constexpr auto kWatch = config::FilterMode::watch;
  constexpr auto kNote = AuthenticationAction::note;
  constexpr auto kHold = AuthenticationAction::hold;
  constexpr auto kRefuse = AuthenticationAction::refuse;
  constexpr auto kFail = DmarcVerdict::fail;
  constexpr auto kPass = DmarcVerdict::pass;
  constexpr auto kNoPolicy = DmarcPolicy::none;
  constexpr auto kReject = DmarcPolicy::reject;
  constexpr auto kLocal = DmarcExcuse::local_policy;
  constexpr auto kNone = DmarcExcuse::none;
  using Done = DmarcDone;
  const Case cases[] = {
      {kFail, kNoPolicy, kNote, kNote, kNote, kNote, false, kEnforce, Done::none, kNone},
      {kFail, kNoPolicy, kNote, kRefuse, kNote, kNote, false, kEnforce, Done::reject, kLocal},
      {kFail, kNoPolicy, kNote, kHold, kNote, kNote, false, kEnforce, Done::quarantine, kLocal},
      {kFail, kNoPolicy, kNote, kRefuse, kNote, kNote, true, kEnforce, Done::quarantine, kLocal},
      {kFail, kNoPolicy, kNote, kRefuse, kRefuse, kNote, false, kWatch, Done::none, kNone},
      {kFail, kNoPolicy, kNote, kNote, kRefuse, kNote, false, kEnforce, Done::reject, kLocal},
      {kFail, kNoPolicy, kNote, kNote, kHold, kNote, false, kEnforce, Done::quarantine, kLocal},
      // Not worse than what DMARC does itself.
      {kFail, kReject, kRefuse, kRefuse, kRefuse, kNote, false, kEnforce, Done::reject, kNone},
      {kFail, kReject, kRefuse, kNote, kNote, kNote, true, kEnforce, Done::quarantine,
       DmarcExcuse::mailing_list},
      // Worse.
      {kFail, kReject, kHold, kNote, kRefuse, kNote, false, kEnforce, Done::reject, kLocal},
      {kFail, kReject, kRefuse, kNote, kRefuse, kNote, true, kEnforce, Done::reject, kLocal},
      // A signature that does not verify, while SPF passes.
      {kPass, kReject, kNote, kNote, kNote, kRefuse, false, kEnforce, Done::reject, kLocal},
      {kPass, kReject, kNote, kNote, kNote, kHold, false, kEnforce, Done::quarantine, kLocal},
      {kPass, kReject, kNote, kNote, kNote, kRefuse, false, kWatch, Done::pass, kNone},
      {kPass, kReject, kNote, kRefuse, kRefuse, kNote, false, kEnforce, Done::pass, kNone},
      {kPass, kNoPolicy, kNote, kNote, kNote, kRefuse, false, kEnforce, Done::none, kNone},
  };
  for (const Case& one : cases) {
    INFO(&one - cases);
    config::Authentication settings;
    settings.dmarc = one.dmarc;
    settings.own_domains = one.own_domains;
    settings.spf = one.spf;
    settings.dkim = one.dkim;
    settings.mode = one.mode;
    AuthenticationFindings findings = findings_of(one.verdict, one.policy);
    findings.from_list = one.from_list;
    findings.author_is_own = true;
    findings.dmarc->spf_aligned = one.verdict == kPass;
    findings.own_author = findings.dmarc;
    findings.spf->result = authentication::SpfResult::fail;
    findings.dkim->push_back(signature(Verdict::fail, "news.far.example"));
    auto result = result_of(settings, findings);
    REQUIRE(result);
    CHECK(result->row.done == one.done);
    CHECK(result->row.excuse == one.excuse);
    bool other = one.done >= DmarcDone::quarantine && one.excuse == kLocal;
    CHECK((result->row.excuse_comment == "another reason than DMARC") == other);
  }
}

TEST_CASE(
    "a refusal for forged results is told of mail that passes, and of mail that nobody knows") {
  for (DmarcVerdict verdict : {DmarcVerdict::pass, DmarcVerdict::fail, DmarcVerdict::temperror}) {
    AuthenticationFindings findings = findings_of(verdict, DmarcPolicy::none);
    auto result = reported_result({}, findings, too_many_forgeries(), kReporter);
    REQUIRE(result);
    CHECK(result->row.done == DmarcDone::reject);
    CHECK(result->row.excuse == DmarcExcuse::local_policy);
  }
}

TEST_CASE("a domain that tests its policy hears so") {
  config::Authentication settings;
  settings.dmarc = AuthenticationAction::refuse;
  AuthenticationFindings findings = findings_of(DmarcVerdict::fail, DmarcPolicy::quarantine);
  findings.dmarc->record.testing = true;
  findings.dmarc->policy = DmarcPolicy::none;  // t=y
  auto result = result_of(settings, findings);
  REQUIRE(result);
  CHECK(result->published.testing);
  CHECK(result->row.done == DmarcDone::none);
  CHECK(result->row.excuse == DmarcExcuse::policy_test_mode);
}

TEST_CASE("mail that could not be judged, and came in, is told with the reason") {
  AuthenticationFindings findings = findings_of(DmarcVerdict::temperror, DmarcPolicy::none);
  findings.dmarc->reason = DmarcReason::identity;
  auto result = result_of({}, findings);
  REQUIRE(result);
  CHECK(result->row.excuse == DmarcExcuse::other);
  CHECK_FALSE(result->row.excuse_comment.empty());
}

TEST_CASE("the record and the identities as they were found") {
  AuthenticationFindings findings = findings_of(DmarcVerdict::pass, DmarcPolicy::quarantine);
  authentication::DmarcRecord& record = findings.dmarc->record;
  record.nonexistent = DmarcPolicy::reject;
  record.spf = authentication::DmarcAlignment::strict;
  record.failures = {.all = false, .any = true, .dkim = true, .spf = true};
  findings.dmarc->dkim_aligned = true;
  auto result = result_of({}, findings);
  REQUIRE(result);
  CHECK(result->published == mail::PublishedDmarc{.domain = "far.example",
                                                  .policy = mail::DmarcWish::quarantine,
                                                  .nonexistent = mail::DmarcWish::reject,
                                                  .spf_strict = true,
                                                  .failures = "1:d:s"});
  CHECK(result->row.source == "192.0.2.9");
  CHECK(result->row.dkim_aligned);
  CHECK_FALSE(result->row.spf_aligned);
  CHECK(result->row.header_from == "news.far.example");
  CHECK(result->row.envelope_from == "bounce.far.example");
  CHECK(result->row.spf_domain == "bounce.far.example");
  CHECK(result->row.spf_result == "softfail");
  findings.mail_from.clear();
  findings.spf.reset();
  result = result_of({}, findings);
  CHECK(result->row.envelope_from.empty());
  CHECK(result->row.spf_result.empty());
}

TEST_CASE("of many signatures those are told that matter, the best first") {
  AuthenticationFindings findings = findings_of(DmarcVerdict::pass, DmarcPolicy::none);
  for (int i = 0; i < 12; ++i)
    findings.dkim->push_back(signature(Verdict::fail, "bad" + std::to_string(i) + ".example"));
  findings.dkim->push_back(signature(Verdict::pass, "sender.example"));
  findings.dkim->push_back(signature(Verdict::pass, "far.example"));
  findings.dkim->push_back(signature(Verdict::pass, "news.far.example"));
  findings.dkim->push_back(SignatureResult{});  // nothing could be read of it
  auto result = result_of({}, findings);
  REQUIRE(result);
  const auto& told = result->row.signatures;
  REQUIRE(told.size() == mail::kReportedSignaturesMax);
  CHECK(told[0].domain == "news.far.example");
  CHECK(told[0].result == "pass");
  CHECK(told[1].domain == "far.example");
  CHECK(told[2].domain == "sender.example");
  CHECK(told[3].domain == "bad0.example");
}

TEST_CASE("long texts are cut to what a frame takes") {
  AuthenticationFindings findings = findings_of(DmarcVerdict::fail, DmarcPolicy::none);
  findings.mail_from = "a@" + std::string(5000, 'x');
  findings.spf->domain = std::string(5000, 'y');
  findings.dkim->push_back(signature(Verdict::fail, std::string(5000, 'z')));
  findings.dkim->back().selector = findings.dkim->back().reason = std::string(5000, 's');
  auto result = result_of({}, findings);
  REQUIRE(result);
  CHECK(result->row.envelope_from.size() == mail::kDmarcTextMax);
  CHECK(result->row.spf_domain.size() == mail::kDmarcTextMax);
  CHECK(result->row.signatures[0].domain.size() == mail::kDmarcTextMax);
  CHECK(result->row.signatures[0].selector.size() == mail::kDmarcTextMax);
  CHECK(result->row.signatures[0].comment.size() == mail::kDmarcCommentMax);
}

TEST_CASE("of what nobody is to hear nothing is counted") {
  auto fails = [] { return findings_of(DmarcVerdict::fail, DmarcPolicy::reject); };
  CHECK_FALSE(result_of({}, {}));
  AuthenticationFindings findings = fails();
  findings.dmarc->record.aggregate_reports.clear();
  CHECK_FALSE(result_of({}, findings));
  findings = fails();
  findings.dmarc->policy_domain.clear();
  CHECK_FALSE(result_of({}, findings));
  for (DmarcVerdict verdict : {DmarcVerdict::none, DmarcVerdict::permerror}) {
    findings = fails();
    findings.dmarc->verdict = verdict;
    CHECK_FALSE(result_of({}, findings));
  }
}

TEST_CASE("our own reports are not reported, and their sender's address is no cloak for others") {
  AuthenticationFindings own = findings_of(DmarcVerdict::pass, DmarcPolicy::none);
  own.dmarc->author = own.dmarc->policy_domain = "us.example";
  own.mail_from = "DMARC@us.example";
  CHECK_FALSE(result_of({}, own));
  own.mail_from = "other@us.example";
  CHECK(result_of({}, own));
  AuthenticationFindings forged = findings_of(DmarcVerdict::fail, DmarcPolicy::none);
  forged.mail_from = kReporter;
  CHECK(result_of({}, forged));
}
