// DMARC of hostile fields, records and answers: the evaluation ends after a bounded number of
// questions, asks for nothing that is no name, and what it says agrees with itself.
//
// The input is lines: the value of a From field, the domain of SPF, those of signatures with commas
// between them, and then texts of records, with which questions are answered in turn.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/authentication/dmarc/author_domain.h"
#include "common/authentication/dmarc/disposition.h"
#include "common/authentication/dmarc/dmarc_evaluation.h"
#include "common/authentication/dmarc/domain_name.h"
#include "common/base/check.h"
#include "common/base/text.h"
#include "common/dns/answer.h"

using namespace postwain;
using namespace postwain::authentication;

namespace {

std::string author(std::string_view value) {
  Author found = author_of_field(value);
  PW_CHECK((found.verdict == AuthorVerdict::one) == !found.domain.empty());
  if (found.domain.empty()) return std::string(value);
  PW_CHECK(canonical_domain(found.domain) == found.domain);
  PW_CHECK(author_of_field("a@" + found.domain).domain == found.domain);
  return found.domain;
}

void record(std::string_view text) {
  auto found = parse_dmarc_record(text);
  if (!found) return;
  PW_CHECK(istarts_with(text, "v"));
  for (const auto* uris : {&found->aggregate_reports, &found->failure_reports}) {
    PW_CHECK(uris->size() <= kReportUrisMax);
    for (const ReportUri& uri : *uris) {
      PW_CHECK(uri.uri.size() <= kReportUriOctetsMax);
      PW_CHECK(uri.address.find_first_of(" \r\n<>\"") == std::string::npos);
      const std::vector<ReportUri> alone = {{uri.uri, uri.address, 0}};
      PW_CHECK(parse_report_uris(uri.uri) == alone);
    }
  }
  if (auto policy = with_policy(*found)) PW_CHECK(policy->policy && !policy->bad_subpolicy);
}

DmarcIdentity identity(std::string_view text) {
  auto state = DmarcIdentityState::pass;
  if (!text.empty() && text.front() == '!') state = DmarcIdentityState::fail;
  if (!text.empty() && text.front() == '?') state = DmarcIdentityState::temporary;
  if (state != DmarcIdentityState::pass) text.remove_prefix(1);
  return {state, std::string(text)};
}

DnsAnswer next_answer(const std::vector<std::string_view>& lines, std::size_t& line) {
  if (lines.size() < 4) return {dns::AnswerStatus::no_such_name};
  std::string_view text = lines[3 + line++ % (lines.size() - 3)];
  if (text == "-") return {dns::AnswerStatus::no_data};
  if (text == "!") return {dns::AnswerStatus::no_such_name};
  if (text == "?") return {dns::AnswerStatus::temporary};
  DnsAnswer answer{dns::AnswerStatus::ok};
  for (std::string_view one : split(text, '|')) answer.values.emplace_back(one);
  return answer;
}

void look_at(const DmarcResult& result) {
  PW_CHECK(!result.dkim_aligned || !result.dkim_domain.empty());
  bool judged = result.verdict == DmarcVerdict::pass || result.verdict == DmarcVerdict::fail;
  PW_CHECK(judged == (result.reason == DmarcReason::none));
  if (!judged) return;
  PW_CHECK((result.verdict == DmarcVerdict::pass) == (result.spf_aligned || result.dkim_aligned));
  PW_CHECK(is_same_or_below(result.author, result.policy_domain));
  PW_CHECK(result.policy <= result.published);
  for (DmarcAction setting :
       {DmarcAction::none, DmarcAction::note, DmarcAction::hold, DmarcAction::refuse})
    for (bool from_list : {false, true})
      for (bool trusted_chain : {false, true}) {
        DmarcAction action = disposition(result, {setting, from_list, trusted_chain}).action;
        PW_CHECK(action <= setting);
        PW_CHECK(action <= DmarcAction::note || result.policy != DmarcPolicy::none);
        PW_CHECK(action != DmarcAction::refuse || result.policy == DmarcPolicy::reject);
      }
}

void evaluation(const std::vector<std::string_view>& lines) {
  DmarcInput input;
  input.author = author(lines[0]);
  if (lines.size() > 1) input.spf = identity(lines[1]);
  if (lines.size() > 2)
    for (std::string_view signature : split(lines[2], ','))
      input.signatures.push_back(identity(signature));
  DmarcEvaluation evaluation(input);
  std::set<std::pair<Ask, std::string>> asked;
  std::size_t line = 0;
  std::size_t answered = 0;
  while (!evaluation.done()) {
    for (const DnsQuestion& question : evaluation.take_questions()) {
      PW_CHECK(dns::is_host_name(question.name));
      PW_CHECK(question.ask != Ask::text || question.name.substr(0, 7) == "_dmarc.");
      PW_CHECK(asked.emplace(question.ask, question.name).second);
    }
    PW_CHECK(asked.size() <= kDmarcQuestionsMax);
    PW_CHECK(answered < asked.size());
    evaluation.answer(answered++, next_answer(lines, line));
  }
  look_at(evaluation.result());
}

// What both readers of the From field find.
void authors(std::string_view header) {
  Author author = author_of(header);
  auto addresses = addresses_in(header, "From");
  (void)addresses_in(header, "Sender");
  if (!addresses || author.verdict == AuthorVerdict::several) return;
  bool is_one = author.verdict == AuthorVerdict::one;
  bool found = false;
  for (const mail::Address& one : *addresses) {
    std::string domain = one.domain_key();
    if (domain.empty() || domain.front() == '[') continue;
    PW_CHECK(is_one && domain == author.domain);
    found = true;
  }
  PW_CHECK(found == is_one);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  authors(text);
  (void)has_list_signs(text);
  std::vector<std::string_view> lines = split(text, '\n');
  for (std::string_view line : lines) record(line);
  evaluation(lines);
  return 0;
}
