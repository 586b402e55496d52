#include "filter/deciding/dmarc_row.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/authentication/dmarc/domain_name.h"
#include "common/base/text.h"

namespace postwain::filter {

using authentication::DmarcAction;
using authentication::DmarcAlignment;
using authentication::DmarcDisposition;
using authentication::DmarcOverride;
using authentication::DmarcPolicy;
using authentication::DmarcRecord;
using authentication::DmarcResult;
using authentication::DmarcVerdict;
using authentication::dkim::SignatureResult;
using ipc::FilterVerdict;
using mail::DmarcDone;
using mail::DmarcExcuse;
using mail::DmarcRow;
using mail::DmarcWish;
using mail::PublishedDmarc;

namespace {

constexpr std::string_view kWatchedOnly = "results are only watched here, and nothing follows yet";
constexpr std::string_view kOtherReason = "another reason than DMARC";

std::string clipped(std::string_view text, std::size_t most = mail::kDmarcTextMax) {
  return std::string(text.substr(0, most));
}

DmarcWish wish_of(DmarcPolicy policy) {
  constexpr DmarcWish kWishes[] = {DmarcWish::none, DmarcWish::quarantine, DmarcWish::reject};
  return kWishes[static_cast<std::size_t>(policy)];
}

std::string options_text(const authentication::DmarcFailureOptions& options) {
  std::string out;
  auto add = [&](bool set, const char* name) {
    if (set) out += (out.empty() ? "" : ":") + std::string(name);
  };
  add(options.all, "0");
  add(options.any, "1");
  add(options.dkim, "d");
  add(options.spf, "s");
  return out;
}

PublishedDmarc published_of(const DmarcResult& dmarc) {
  const DmarcRecord& record = dmarc.record;
  PublishedDmarc out;
  out.domain = clipped(dmarc.policy_domain);
  out.policy = wish_of(record.policy.value_or(DmarcPolicy::none));
  if (record.subdomains) out.subdomains = wish_of(*record.subdomains);
  if (record.nonexistent) out.nonexistent = wish_of(*record.nonexistent);
  out.dkim_strict = record.dkim == DmarcAlignment::strict;
  out.spf_strict = record.spf == DmarcAlignment::strict;
  out.testing = record.testing;
  out.failures = options_text(record.failures);
  return out;
}

DmarcExcuse excuse_of(DmarcOverride why) {
  switch (why) {
    case DmarcOverride::none:
      break;
    case DmarcOverride::policy_test_mode:
      return DmarcExcuse::policy_test_mode;
    case DmarcOverride::local_policy:
      return DmarcExcuse::local_policy;
    case DmarcOverride::mailing_list:
      return DmarcExcuse::mailing_list;
    case DmarcOverride::trusted_forwarder:
      return DmarcExcuse::trusted_forwarder;
  }
  return DmarcExcuse::none;
}

DmarcDone done_by(DmarcAction action) {
  if (action == DmarcAction::refuse) return DmarcDone::reject;
  return action == DmarcAction::hold ? DmarcDone::quarantine : DmarcDone::none;
}

DmarcDone done_by(const AuthenticationVerdict& given) {
  if (given.verdict == FilterVerdict::refuse) return DmarcDone::reject;
  return given.hold ? DmarcDone::quarantine : DmarcDone::none;
}

// What DMARC alone leads to.
void put_what_dmarc_does(const config::Authentication& settings,
                         const AuthenticationFindings& findings, DmarcRow& row) {
  const DmarcResult& dmarc = *findings.dmarc;
  if (dmarc.verdict == DmarcVerdict::pass) {
    if (dmarc.policy != DmarcPolicy::none) row.done = DmarcDone::pass;
    return;
  }
  if (dmarc.verdict == DmarcVerdict::temperror) {
    row.excuse = DmarcExcuse::other;
    row.excuse_comment = clipped(text_of(dmarc.reason), mail::kDmarcCommentMax);
    return;
  }
  DmarcDisposition done = dmarc_disposition(settings, findings);
  row.done = done_by(done.action);
  row.excuse = excuse_of(done.why);
  if (settings.mode == config::FilterMode::watch && dmarc.policy != DmarcPolicy::none) {
    row.done = DmarcDone::none;
    row.excuse = DmarcExcuse::local_policy;
    row.excuse_comment = kWatchedOnly;
  }
}

void put_what_was_done(const config::Authentication& settings,
                       const AuthenticationFindings& findings, const AuthenticationVerdict& given,
                       DmarcRow& row) {
  put_what_dmarc_does(settings, findings, row);
  DmarcDone done = done_by(given);
  if (settings.mode == config::FilterMode::watch || done <= std::max(row.done, DmarcDone::pass))
    return;
  row.done = done;
  row.excuse = DmarcExcuse::local_policy;
  row.excuse_comment = kOtherReason;
}

// RFC 9990 3.1.3: which signatures are told first, where there are many.
int place_of(const SignatureResult& signature, const DmarcResult& dmarc) {
  if (signature.verdict != authentication::dkim::Verdict::pass) return 3;
  if (signature.domain_key == dmarc.author) return 0;
  bool aligned = signature.domain_key == dmarc.dkim_domain ||
                 authentication::is_same_or_below(signature.domain_key, dmarc.policy_domain);
  return aligned ? 1 : 2;
}

std::vector<mail::ReportedSignature> signatures_of(const AuthenticationFindings& findings) {
  std::vector<const SignatureResult*> found;
  if (findings.dkim)
    for (const SignatureResult& one : *findings.dkim)
      if (!one.domain.empty()) found.push_back(&one);
  std::stable_sort(found.begin(), found.end(), [&](const auto* a, const auto* b) {
    return place_of(*a, *findings.dmarc) < place_of(*b, *findings.dmarc);
  });
  found.resize(std::min(found.size(), mail::kReportedSignaturesMax));
  std::vector<mail::ReportedSignature> out;
  out.reserve(found.size());
  for (const SignatureResult* one : found)
    out.push_back({clipped(one->domain_key.empty() ? one->domain : one->domain_key),
                   clipped(one->selector), clipped(name_of(one->verdict)),
                   clipped(one->reason, mail::kDmarcCommentMax)});
  return out;
}

std::string domain_of(std::string_view address) {
  std::size_t at = address.rfind('@');
  if (at == std::string_view::npos) return {};
  std::string_view domain = address.substr(at + 1);
  return authentication::canonical_domain(domain).value_or(to_lower(clipped(domain)));
}

bool is_own_report(const AuthenticationFindings& findings, std::string_view own_address) {
  return iequals(findings.mail_from, own_address) &&
         findings.dmarc->author == domain_of(own_address);
}

}  // namespace

std::optional<mail::DmarcResult> reported_result(const config::Authentication& settings,
                                                 const AuthenticationFindings& findings,
                                                 const AuthenticationVerdict& given,
                                                 std::string_view own_address) {
  if (!findings.dmarc) return std::nullopt;
  const DmarcResult& dmarc = *findings.dmarc;
  bool judged = dmarc.verdict == DmarcVerdict::pass || dmarc.verdict == DmarcVerdict::fail ||
                dmarc.verdict == DmarcVerdict::temperror;
  if (!judged || dmarc.policy_domain.empty() || dmarc.record.aggregate_reports.empty() ||
      is_own_report(findings, own_address))
    return std::nullopt;
  mail::DmarcResult out;
  out.published = published_of(dmarc);
  DmarcRow& row = out.row;
  row.source = clipped(findings.client);
  row.dkim_aligned = dmarc.dkim_aligned;
  row.spf_aligned = dmarc.spf_aligned;
  put_what_was_done(settings, findings, given, row);
  row.header_from = clipped(dmarc.author);
  row.envelope_from = domain_of(findings.mail_from);
  row.signatures = signatures_of(findings);
  if (findings.spf) {
    row.spf_domain = clipped(findings.spf->domain);
    row.spf_result = clipped(name_of(findings.spf->result));
  }
  return out;
}

}  // namespace postwain::filter
