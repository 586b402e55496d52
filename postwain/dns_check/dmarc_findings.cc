#include "postwain/dns_check/dmarc_findings.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::tool {

using authentication::DmarcPolicy;
using authentication::DmarcRecord;

namespace {

constexpr std::string_view kDmarcVersion = "v=DMARC1";

DnsFinding dmarc_finding(const DmarcDomainAnswers& answers, FindingLevel level, std::string text,
                         std::string publish = {}) {
  return {answers.domain, "dmarc", level, std::move(text), std::move(publish)};
}

std::string first_dmarc_line(const std::string& domain) {
  return text_record_line("_dmarc." + domain, fmt::format("{}; p=none; rua=mailto:postmaster@{}",
                                                          kDmarcVersion, domain));
}

// What stands at the domain's own name and cannot be right.
std::vector<DnsFinding> form_findings(const DmarcDomainAnswers& answers) {
  std::vector<DnsFinding> out;
  std::size_t records = 0;
  for (const std::string& text : answers.texts.texts) {
    if (authentication::parse_dmarc_record(text))
      ++records;
    else if (istarts_with(trim(text), "v=dmarc"))
      out.push_back(dmarc_finding(answers, FindingLevel::error,
                                  fmt::format("'{}' is no record: it has to begin with {} exactly",
                                              printable(text, 60), kDmarcVersion)));
  }
  if (records > 1)
    out.push_back(dmarc_finding(
        answers, FindingLevel::error,
        fmt::format("there are {} records, and then none of them counts; leave one", records)));
  return out;
}

DnsFinding policy_finding(const DmarcDomainAnswers& answers) {
  const DmarcFacts& facts = answers.facts;
  auto effective = authentication::with_policy(facts.record);
  bool inherited = facts.policy_domain != answers.domain;
  std::string from = inherited ? fmt::format(" (from {})", printable(facts.policy_domain)) : "";
  if (!effective)
    return dmarc_finding(answers, FindingLevel::error,
                         fmt::format("the record{} has no valid p=, so it does not count", from),
                         first_dmarc_line(facts.policy_domain));
  const DmarcRecord& record = *effective;
  DmarcPolicy policy = inherited && record.subdomains ? *record.subdomains
                                                      : record.policy.value_or(DmarcPolicy::none);
  std::string name(authentication::name_of(policy));
  if (!facts.record.policy || facts.record.bad_subpolicy)
    return dmarc_finding(answers, FindingLevel::warning,
                         fmt::format("the record{} has a policy that is none of none, quarantine "
                                     "and reject; it counts as none",
                                     from));
  if (record.testing)
    return dmarc_finding(
        answers, FindingLevel::advice,
        fmt::format("the policy is {}{}, and t=y makes it one step milder", name, from));
  if (policy == DmarcPolicy::none)
    return dmarc_finding(answers, FindingLevel::advice,
                         fmt::format("the policy is none{}: forged mail is only reported", from));
  return dmarc_finding(answers, FindingLevel::ok, fmt::format("the policy is {}{}", name, from));
}

void add_place_findings(const DmarcDomainAnswers& answers, std::vector<DnsFinding>& out) {
  const DmarcFacts& facts = answers.facts;
  if (facts.record.aggregate_reports.empty())
    out.push_back(dmarc_finding(answers, FindingLevel::advice,
                                "nobody gets reports (rua=), so nobody hears of mail that fails"));
  for (const ReportPlace& place : facts.places) {
    std::string address = printable(place.address);
    if (place.taken == ReportsTaken::no)
      out.push_back(dmarc_finding(
          answers, FindingLevel::warning,
          fmt::format("{} gets no reports: its domain has not said that it takes them", address),
          place.consent_name.empty() ? std::string()
                                     : text_record_line(place.consent_name, kDmarcVersion)));
    else if (place.taken == ReportsTaken::unknown)
      out.push_back(
          dmarc_finding(answers, FindingLevel::warning,
                        fmt::format("whether {} takes reports could not be looked up", address)));
  }
}

}  // namespace

std::vector<DnsFinding> dmarc_findings(const DmarcDomainAnswers& answers) {
  if (answers.facts.failed)
    return {dmarc_finding(answers, FindingLevel::warning, "the record could not be looked up")};
  std::vector<DnsFinding> out = form_findings(answers);
  if (answers.facts.policy_domain.empty()) {
    if (out.empty())
      out.push_back(dmarc_finding(answers, FindingLevel::warning,
                                  "there is no record; large providers want one",
                                  first_dmarc_line(answers.domain)));
    return out;
  }
  out.push_back(policy_finding(answers));
  add_place_findings(answers, out);
  return out;
}

}  // namespace postwain::tool
