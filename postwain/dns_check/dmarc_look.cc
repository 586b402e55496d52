#include "postwain/dns_check/dmarc_look.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/authentication/dmarc/domain_name.h"
#include "common/authentication/dmarc/tree_walk.h"
#include "common/mail/address.h"

namespace postwain::tool {

using authentication::DmarcKnown;
using authentication::DmarcRecord;
using authentication::DmarcWalk;
using authentication::DnsAnswer;
using authentication::DnsQuestion;

DmarcLook::DmarcLook(std::string domain) : domain_(std::move(domain)) {
  advance();
}

std::vector<DnsQuestion> DmarcLook::take_questions() {
  std::vector<DnsQuestion> out = answers_.take_questions();
  for (std::size_t i = 0; i < out.size(); ++i) questions_.emplace_back(false, others_++);
  for (DnsQuestion& question : std::exchange(unasked_consents_, {})) {
    questions_.emplace_back(true, consents_asked_++);
    out.push_back(std::move(question));
  }
  return out;
}

void DmarcLook::answer(std::size_t number, const DnsAnswer& answer) {
  if (number >= questions_.size()) return;
  auto [is_consent, inner] = questions_[number];
  if (is_consent)
    take_consent(inner, answer);
  else
    answers_.answer(inner, answer);
  advance();
}

void DmarcLook::advance() {
  if (stage_ == Stage::policy) find_policy();
  if (stage_ != Stage::places) return;
  bool open = false;
  for (std::size_t i = 0; i < facts_.places.size(); ++i)
    if (!judge_place(i)) open = true;
  if (!open) stage_ = Stage::done;
}

void DmarcLook::find_policy() {
  DmarcWalk walk = answers_.walk(domain_);
  if (walk.known == DmarcKnown::not_yet) return;
  stage_ = Stage::done;
  if (walk.known == DmarcKnown::temporary_failure) {
    facts_.failed = true;
    return;
  }
  authentication::WalkRecord found;
  if (!walk.records.empty() && walk.records.front().name == domain_)
    found = walk.records.front();
  else
    found = authentication::inherited_record(domain_, walk.records);
  if (found.record == nullptr) return;
  facts_.policy_domain = found.name;
  take_record(*found.record);
  stage_ = Stage::places;
}

void DmarcLook::take_record(const DmarcRecord& record) {
  facts_.record = record;
  for (const authentication::ReportUri& uri : record.aggregate_reports) {
    if (uri.address.empty()) continue;
    auto domain = authentication::canonical_domain(mail::Address::from_text(uri.address).domain());
    ReportPlace place{uri.address, domain.value_or(std::string())};
    if (!domain) place.taken = ReportsTaken::no;
    facts_.places.push_back(std::move(place));
  }
}

// The reports are for the domain itself when both have the same organizational domain.
bool DmarcLook::judge_place(std::size_t number) {
  ReportPlace& place = facts_.places[number];
  if (place.taken != ReportsTaken::unknown) return true;
  for (const Consent& consent : consents_)
    if (consent.place == number) return consent.answered;
  if (authentication::is_same_or_below(place.domain, facts_.policy_domain)) {
    place.taken = ReportsTaken::own;
    return true;
  }
  DmarcWalk walk = answers_.walk(place.domain);
  DmarcWalk own = answers_.walk(domain_);
  if (walk.known == DmarcKnown::not_yet || own.known == DmarcKnown::not_yet) return false;
  if (walk.known == DmarcKnown::yes && own.known == DmarcKnown::yes &&
      authentication::organizational_domain(place.domain, walk.records) ==
          authentication::organizational_domain(domain_, own.records)) {
    place.taken = ReportsTaken::own;
    return true;
  }
  ask_consent(number);
  return false;
}

void DmarcLook::ask_consent(std::size_t number) {
  ReportPlace& place = facts_.places[number];
  place.consent_name = fmt::format("{}._report._dmarc.{}", facts_.policy_domain, place.domain);
  consents_.push_back({number});
  unasked_consents_.push_back({authentication::Ask::text, place.consent_name});
}

void DmarcLook::take_consent(std::size_t number, const DnsAnswer& answer) {
  if (consents_[number].answered) return;
  consents_[number].answered = true;
  ReportPlace& place = facts_.places[consents_[number].place];
  if (answer.status == dns::AnswerStatus::temporary) return;
  bool taken = std::any_of(answer.values.begin(), answer.values.end(), [](const std::string& text) {
    return authentication::parse_dmarc_record(text).has_value();
  });
  place.taken = taken ? ReportsTaken::yes : ReportsTaken::no;
}

}  // namespace postwain::tool
