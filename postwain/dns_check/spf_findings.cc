#include "postwain/dns_check/spf_findings.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "common/authentication/spf/record.h"
#include "common/base/text.h"

namespace postwain::tool {

using authentication::SpfFinding;
using authentication::SpfResult;
namespace spf = authentication::spf;

namespace {

constexpr std::string_view kSpfBegin = "v=spf1";

// The mechanisms that let our addresses pass.
std::string own_mechanisms(const SpfAnswers& answers, bool only_missing) {
  std::string out;
  for (const SpfClient& client : answers.clients) {
    if (only_missing && client.finding.result == SpfResult::pass) continue;
    bool ipv6 = client.address.find(':') != std::string::npos;
    out += fmt::format(" {}:{}", ipv6 ? "ip6" : "ip4", client.address);
  }
  return out;
}

// Empty where no address of ours is known: whom the record is to let pass is not known then.
std::string new_record_line(const SpfAnswers& answers) {
  std::string ours = own_mechanisms(answers, false);
  if (ours.empty()) return {};
  return text_record_line(answers.domain,
                          fmt::format("{}{} {}all", kSpfBegin, ours, answers.hello ? "-" : "~"));
}

// The record with what it lacks put in front of the rest, since the first match decides.
std::string mended_record_line(const SpfAnswers& answers, std::string_view record) {
  return text_record_line(answers.domain,
                          fmt::format("{}{}{}", kSpfBegin, own_mechanisms(answers, true),
                                      record.substr(kSpfBegin.size())));
}

DnsFinding spf_finding(const SpfAnswers& answers, FindingLevel level, std::string text,
                       std::string publish = {}) {
  return {answers.domain, "spf", level, std::move(text), std::move(publish)};
}

FindingLevel level_of_result(SpfResult result) {
  switch (result) {
    case SpfResult::pass:
      return FindingLevel::ok;
    case SpfResult::fail:
    case SpfResult::permerror:
      return FindingLevel::error;
    case SpfResult::none:
    case SpfResult::neutral:
    case SpfResult::softfail:
    case SpfResult::temperror:
      return FindingLevel::warning;
  }
  return FindingLevel::warning;
}

DnsFinding client_finding(const SpfAnswers& answers, const SpfClient& client,
                          std::string_view record) {
  const SpfFinding& found = client.finding;
  std::string because = found.mechanism.empty() ? found.reason : found.mechanism;
  DnsFinding out = spf_finding(
      answers, level_of_result(found.result),
      fmt::format("mail from {}: {}{}", client.address, authentication::name_of(found.result),
                  because.empty() ? "" : fmt::format(" ({})", printable(because))));
  bool can_be_mended = found.result == SpfResult::fail || found.result == SpfResult::softfail ||
                       found.result == SpfResult::neutral;
  if (can_be_mended) out.publish = mended_record_line(answers, record);
  return out;
}

// What the record says of everybody else; nothing: as it should be.
std::optional<DnsFinding> end_finding(const SpfAnswers& answers, const spf::Record& record) {
  const SpfFinding& stranger = answers.stranger;
  if (stranger.result == SpfResult::permerror)
    return spf_finding(
        answers, FindingLevel::error,
        fmt::format("receivers of mail from others find an error: {}", printable(stranger.reason)));
  if (stranger.result == SpfResult::pass)
    return spf_finding(answers, FindingLevel::warning,
                       fmt::format("it lets strangers pass ({})", printable(stranger.mechanism)));
  if (stranger.result == SpfResult::neutral && record.redirect().empty())
    return spf_finding(answers, FindingLevel::advice,
                       "it says nothing of other hosts; end it with ~all or -all");
  return std::nullopt;
}

std::vector<std::string> spf_records(const dns::TextAnswer& answer) {
  std::vector<std::string> out;
  for (const std::string& text : answer.texts)
    if (spf::is_record(text)) out.push_back(text);
  return out;
}

DnsFinding no_record_finding(const SpfAnswers& answers) {
  std::string text =
      answers.hello ? "there is no SPF record of the host itself, by which bounces would be known"
                    : "there is no SPF record, so receivers cannot tell our mail from forged "
                      "mail by it";
  if (answers.clients.empty())
    text += "; what to publish depends on our public address, which is not known: give --address";
  return spf_finding(answers, answers.hello ? FindingLevel::advice : FindingLevel::warning,
                     std::move(text), new_record_line(answers));
}

}  // namespace

std::vector<DnsFinding> spf_findings(const SpfAnswers& answers) {
  if (answers.texts.status == dns::AnswerStatus::temporary)
    return {spf_finding(answers, FindingLevel::warning, "the SPF record could not be looked up")};
  std::vector<std::string> records = spf_records(answers.texts);
  if (records.empty()) return {no_record_finding(answers)};
  if (records.size() > 1)
    return {
        spf_finding(answers, FindingLevel::error,
                    fmt::format("there are {} SPF records, and then none of them counts; leave one",
                                records.size()))};
  auto record = spf::Record::read(records.front());
  if (!record)
    return {spf_finding(answers, FindingLevel::error,
                        "receivers refuse the record: " + printable(record.error().text))};
  std::vector<DnsFinding> out;
  for (const SpfClient& client : answers.clients)
    out.push_back(client_finding(answers, client, records.front()));
  if (answers.clients.empty())
    out.push_back(
        spf_finding(answers, FindingLevel::advice,
                    "there is a record; no public address of this host is known to try it "
                    "with (--address)"));
  if (auto end = end_finding(answers, *record)) out.push_back(*std::move(end));
  return out;
}

}  // namespace postwain::tool
