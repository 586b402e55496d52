#include "postwain/dns_check/sts_findings.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/authentication/dmarc/report_uri.h"
#include "common/base/text.h"
#include "common/mail/sts_policy.h"

namespace postwain::tool {

namespace {

constexpr std::string_view kStsVersion = "v=STSv1";
constexpr std::string_view kTlsReportVersion = "v=TLSRPTv1";

DnsFinding sts_finding(const StsAnswers& answers, FindingLevel level, std::string text,
                       std::string publish = {}) {
  return {answers.domain, "mta-sts", level, std::move(text), std::move(publish)};
}

DnsFinding tls_report_finding(const TlsReportAnswers& answers, FindingLevel level, std::string text,
                              std::string publish = {}) {
  return {answers.domain, "tlsrpt", level, std::move(text), std::move(publish)};
}

DnsFinding unusable_sts_record(const StsAnswers& answers) {
  bool any = std::any_of(answers.texts.texts.begin(), answers.texts.texts.end(),
                         [](const std::string& text) { return istarts_with(text, kStsVersion); });
  if (any)
    return sts_finding(
        answers, FindingLevel::error,
        fmt::format("_mta-sts.{} has no record that counts: one, and with an id=", answers.domain));
  return sts_finding(
      answers, FindingLevel::advice,
      fmt::format("there is no policy, so senders may be made to send without TLS; "
                  "it needs a file at https://{}/.well-known/mta-sts.txt, too",
                  sts_host_name(answers.domain)),
      text_record_line("_mta-sts." + answers.domain, fmt::format("{}; id=1;", kStsVersion)));
}

std::vector<DnsFinding> policy_text_findings(const StsAnswers& answers, const std::string& text) {
  std::string why;
  auto policy = mail::parse_sts_policy(text, why);
  if (!policy)
    return {sts_finding(answers, FindingLevel::error, "the policy is none: " + printable(why))};
  std::vector<DnsFinding> out;
  bool enforced = policy->mode == mail::StsPolicy::Mode::enforce;
  for (const std::string& host : answers.mail_hosts)
    if (policy->mode != mail::StsPolicy::Mode::none && !policy->lists(host))
      out.push_back(
          sts_finding(answers, enforced ? FindingLevel::error : FindingLevel::warning,
                      fmt::format("the policy does not name the MX host {}{}", printable(host),
                                  enforced ? ", so senders that heed it do not use it" : "")));
  if (out.empty())
    out.push_back(sts_finding(
        answers, enforced ? FindingLevel::ok : FindingLevel::advice,
        fmt::format("the policy is there; its mode is {}", mail::name_of(policy->mode))));
  return out;
}

// The value of rua=; empty: there is none.
std::string_view places_of(std::string_view record) {
  for (std::string_view field : split(record, ';')) {
    std::size_t equals = field.find('=');
    if (equals != std::string_view::npos && trim(field.substr(0, equals)) == "rua")
      return trim(field.substr(equals + 1));
  }
  return {};
}

bool is_usable_place(const authentication::ReportUri& uri) {
  return !uri.address.empty() || istarts_with(uri.uri, "https:");
}

}  // namespace

std::string sts_host_name(const std::string& domain) {
  return "mta-sts." + domain;
}

std::vector<DnsFinding> sts_findings(const StsAnswers& answers) {
  if (answers.texts.status == dns::AnswerStatus::temporary)
    return {sts_finding(answers, FindingLevel::warning, "the record could not be looked up")};
  if (!mail::sts_id(answers.texts.texts)) return {unusable_sts_record(answers)};
  std::string host = sts_host_name(answers.domain);
  if (answers.host.status == dns::AnswerStatus::temporary)
    return {sts_finding(answers, FindingLevel::warning,
                        fmt::format("the addresses of {} could not be looked up", host))};
  if (answers.host.addresses.empty())
    return {sts_finding(answers, FindingLevel::error,
                        fmt::format("{} has no address, so nobody can fetch the policy", host))};
  if (!answers.fetched)
    return {sts_finding(answers, FindingLevel::warning, "the policy was not fetched in time")};
  if (!*answers.fetched)
    return {sts_finding(answers, FindingLevel::error,
                        fmt::format("the policy cannot be fetched from {}: {}", host,
                                    printable(answers.fetched->error().text)))};
  return policy_text_findings(answers, answers.fetched->value());
}

std::vector<DnsFinding> tls_report_findings(const TlsReportAnswers& answers) {
  if (answers.texts.status == dns::AnswerStatus::temporary)
    return {
        tls_report_finding(answers, FindingLevel::warning, "the record could not be looked up")};
  std::vector<std::string_view> records;
  for (std::string_view text : answers.texts.texts)
    if (istarts_with(text, kTlsReportVersion)) records.push_back(text);
  std::string line = text_record_line(
      "_smtp._tls." + answers.domain,
      fmt::format("{}; rua=mailto:postmaster@{}", kTlsReportVersion, answers.domain));
  if (records.empty())
    return {tls_report_finding(answers, FindingLevel::advice, "nobody is told when TLS to us fails",
                               std::move(line))};
  if (records.size() > 1)
    return {tls_report_finding(
        answers, FindingLevel::error,
        fmt::format("there are {} records, and then none of them counts", records.size()))};
  auto places = authentication::parse_report_uris(places_of(records.front()));
  bool begins = trim(records.front().substr(0, records.front().find(';'))) == kTlsReportVersion &&
                records.front().find(';') != std::string_view::npos;
  if (!begins || !std::any_of(places.begin(), places.end(), is_usable_place))
    return {tls_report_finding(answers, FindingLevel::error,
                               "the record names no place that reports can be sent to (rua=)",
                               std::move(line))};
  return {tls_report_finding(answers, FindingLevel::ok, "reports about TLS are asked for")};
}

}  // namespace postwain::tool
