#include "common/authentication/dmarc/dmarc_evaluation.h"

#include <algorithm>
#include <utility>

#include "common/authentication/dmarc/domain_name.h"
#include "common/base/check.h"

namespace postwain::authentication {

namespace {

std::string_view dmarc_top_label(std::string_view domain) {
  return domain.substr(domain.rfind('.') + 1);
}

// In its canonical form; what is no name of the DNS has shown nothing.
DmarcIdentity canonical_identity(const DmarcIdentity& identity) {
  auto domain = canonical_domain(identity.domain);
  if (!domain) return {};
  return {identity.state, *std::move(domain)};
}

// Those that can matter: each domain once, and passed where any of its signatures did.
std::vector<DmarcIdentity> useful_signatures(const std::vector<DmarcIdentity>& signatures) {
  std::vector<DmarcIdentity> useful;
  for (DmarcIdentityState state : {DmarcIdentityState::pass, DmarcIdentityState::temporary})
    for (const DmarcIdentity& signature : signatures) {
      if (signature.state != state || useful.size() == kDmarcSignaturesMax) continue;
      DmarcIdentity identity = canonical_identity(signature);
      bool known = std::any_of(useful.begin(), useful.end(),
                               [&](auto& other) { return other.domain == identity.domain; });
      if (identity.state == state && !known) useful.push_back(std::move(identity));
    }
  return useful;
}

DmarcPolicy one_step_milder(DmarcPolicy policy) {
  return policy == DmarcPolicy::reject ? DmarcPolicy::quarantine : DmarcPolicy::none;
}

}  // namespace

std::string_view name_of(DmarcVerdict verdict) {
  switch (verdict) {
    case DmarcVerdict::none:
      return "none";
    case DmarcVerdict::pass:
      return "pass";
    case DmarcVerdict::fail:
      return "fail";
    case DmarcVerdict::temperror:
      return "temperror";
    case DmarcVerdict::permerror:
      return "permerror";
  }
  return "";
}

std::string_view text_of(DmarcReason reason) {
  switch (reason) {
    case DmarcReason::none:
      break;
    case DmarcReason::no_record:
      return "no record";
    case DmarcReason::no_policy:
      return "record without a valid policy";
    case DmarcReason::no_domain:
      return "the author domain is no name of the DNS";
    case DmarcReason::dns:
      return "temporary failure of the DNS";
    case DmarcReason::identity:
      return "temporary failure of SPF or DKIM";
  }
  return "";
}

DmarcEvaluation::DmarcEvaluation(DmarcInput input) : input_(std::move(input)) {
  input_.spf = canonical_identity(input_.spf);
  input_.signatures = useful_signatures(input_.signatures);
  auto author = canonical_domain(input_.author);
  if (!author) {
    finish(DmarcVerdict::permerror, DmarcReason::no_domain);
    return;
  }
  result_.author = *std::move(author);
  advance();
}

std::vector<DnsQuestion> DmarcEvaluation::take_questions() {
  auto questions = answers_.take_questions();
  if (done_) return {};
  return questions;
}

void DmarcEvaluation::answer(std::size_t number, const DnsAnswer& answer) {
  if (done_) return;
  answers_.answer(number, answer);
  advance();
}

const DmarcResult& DmarcEvaluation::result() const {
  PW_CHECK(done_);
  return result_;
}

void DmarcEvaluation::finish(DmarcVerdict verdict, DmarcReason reason) {
  result_.verdict = verdict;
  result_.reason = reason;
  done_ = true;
}

// Everything is worked out anew from what is known by now. Each step asks what it lacks.
void DmarcEvaluation::advance() {
  if (find_policy() && judge_identities()) settle();
}

// False: not known yet, or the result is there.
bool DmarcEvaluation::find_policy() {
  DmarcLookup own = answers_.record_of(result_.author);
  if (own.known == DmarcKnown::yes && own.record != nullptr)
    return take_policy(result_.author, own.record);
  DmarcWalk walk;
  walk.known = own.known;
  if (own.known == DmarcKnown::yes) walk = answers_.walk(result_.author);
  if (walk.known == DmarcKnown::temporary_failure)
    finish(DmarcVerdict::temperror, DmarcReason::dns);
  if (walk.known != DmarcKnown::yes) return false;
  WalkRecord inherited = inherited_record(result_.author, walk.records);
  return take_policy(inherited.name, inherited.record);
}

bool DmarcEvaluation::take_policy(std::string_view domain, const DmarcRecord* record) {
  auto policy = record == nullptr ? std::nullopt : with_policy(*record);
  if (!policy) {
    result_.reason = record == nullptr ? DmarcReason::no_record : DmarcReason::no_policy;
    if (input_.always_align) return true;
    finish(DmarcVerdict::none, result_.reason);
    return false;
  }
  result_.policy_domain = std::string(domain);
  result_.record = *std::move(policy);
  return true;
}

DmarcEvaluation::Aligned DmarcEvaluation::alignment_of(const std::string& domain,
                                                       DmarcAlignment mode) {
  if (domain == result_.author) return Aligned::yes;
  // An organizational domain of both would be above both.
  if (mode == DmarcAlignment::strict || dmarc_top_label(domain) != dmarc_top_label(result_.author))
    return Aligned::no;
  return relaxed_alignment_of(domain);
}

DmarcEvaluation::Aligned DmarcEvaluation::relaxed_alignment_of(const std::string& domain) {
  auto unknown = [](DmarcKnown known) {
    return known == DmarcKnown::not_yet ? Aligned::not_yet : Aligned::temporary_failure;
  };
  DmarcWalk walk = answers_.walk(result_.author);
  if (walk.known != DmarcKnown::yes) return unknown(walk.known);
  std::string organization(organizational_domain(result_.author, walk.records));
  if (!is_same_or_below(domain, organization)) return Aligned::no;
  walk = answers_.walk(domain);
  if (walk.known != DmarcKnown::yes) return unknown(walk.known);
  return organizational_domain(domain, walk.records) == organization ? Aligned::yes : Aligned::no;
}

// False: not known yet. All that can be asked is asked before that is said.
bool DmarcEvaluation::judge_identities() {
  bool open = false;
  identity_failed_ = lookup_failed_ = false;
  result_.spf_aligned = result_.dkim_aligned = false;
  auto judge = [&](const DmarcIdentity& identity, DmarcAlignment mode) {
    if (identity.state == DmarcIdentityState::fail) return false;
    Aligned aligned = alignment_of(identity.domain, mode);
    open = open || aligned == Aligned::not_yet;
    lookup_failed_ = lookup_failed_ || aligned == Aligned::temporary_failure;
    bool passed = identity.state == DmarcIdentityState::pass;
    identity_failed_ = identity_failed_ || (aligned == Aligned::yes && !passed);
    return aligned == Aligned::yes && passed;
  };
  result_.spf_aligned = judge(input_.spf, result_.record.spf);
  for (const DmarcIdentity& signature : input_.signatures) {
    if (!judge(signature, result_.record.dkim) || result_.dkim_aligned) continue;
    result_.dkim_aligned = true;
    result_.dkim_domain = signature.domain;
  }
  return !open;
}

void DmarcEvaluation::settle_without_policy(bool passed) {
  result_.undecided = !passed && (lookup_failed_ || identity_failed_);
  finish(DmarcVerdict::none, result_.reason);
}

void DmarcEvaluation::settle() {
  bool passed = result_.spf_aligned || result_.dkim_aligned;
  if (result_.policy_domain.empty()) return settle_without_policy(passed);
  bool is_inherited = result_.author != result_.policy_domain;
  const DmarcRecord& record = result_.record;
  result_.tag = is_inherited && record.subdomains ? DmarcPolicyTag::sp : DmarcPolicyTag::p;
  result_.published = result_.tag == DmarcPolicyTag::sp ? *record.subdomains
                                                        : record.policy.value_or(DmarcPolicy::none);
  result_.policy = record.testing ? one_step_milder(result_.published) : result_.published;
  if (!passed && lookup_failed_) return finish(DmarcVerdict::temperror, DmarcReason::dns);
  if (!passed && identity_failed_) return finish(DmarcVerdict::temperror, DmarcReason::identity);
  // Whether the author's domain exists is of no interest when the mail is his, or nothing else
  // would follow.
  if (!passed && is_inherited && record.nonexistent && *record.nonexistent != result_.published) {
    DmarcExistence existence = answers_.existence_of(result_.author);
    if (existence == DmarcExistence::not_yet) return;
    if (existence == DmarcExistence::temporary_failure)
      return finish(DmarcVerdict::temperror, DmarcReason::dns);
    if (existence == DmarcExistence::does_not) {
      result_.tag = DmarcPolicyTag::np;
      result_.published = *record.nonexistent;
    }
  }
  result_.policy = record.testing ? one_step_milder(result_.published) : result_.published;
  finish(passed ? DmarcVerdict::pass : DmarcVerdict::fail, DmarcReason::none);
}

}  // namespace postwain::authentication
