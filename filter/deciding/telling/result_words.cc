#include "filter/deciding/telling/result_words.h"

#include <cstddef>
#include <string_view>

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::filter {

using authentication::DmarcDisposition;
using authentication::DmarcOverride;
using authentication::DmarcReason;
using authentication::DmarcResult;
using authentication::DmarcVerdict;
using authentication::MethodResult;
using authentication::SpfFinding;
using authentication::SpfIdentity;
using authentication::dkim::SignatureResult;
using config::AuthenticationAction;

namespace {

constexpr std::size_t kDomainTold = 100;  // octets of a domain in the words for a trace

// RFC 8601 2.7.2; which identity was tested says the property.
MethodResult spf_result(const AuthenticationFindings& findings, const SpfFinding& spf) {
  MethodResult out{"spf", std::string(name_of(spf.result)), spf.reason};
  if (spf.identity == SpfIdentity::helo)
    out.properties.push_back({"smtp", "helo", findings.helo});
  else
    out.properties.push_back({"smtp", "mailfrom", findings.mail_from});
  if (!spf.mechanism.empty()) out.comment = fmt::format("{}: {}", findings.client, spf.mechanism);
  return out;
}

// RFC 8601 2.7.1, RFC 6008.
MethodResult dkim_result(const SignatureResult& signature) {
  MethodResult out{"dkim", std::string(name_of(signature.verdict)), signature.reason};
  auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) out.properties.push_back({"header", name, value});
  };
  add("d", signature.domain);
  add("i", signature.identity);
  add("s", signature.selector);
  add("a", signature.algorithm);
  add("b", signature.begin);
  if (signature.key_bits > 0)
    out.comment =
        fmt::format("{}-bit key{}", signature.key_bits, signature.testing ? ", testing" : "");
  return out;
}

// RFC 8617 10.1.
MethodResult arc_result(const authentication::arc::ArcResult& arc) {
  MethodResult out{"arc", std::string(name_of(arc.verdict)), arc.reason};
  if (!arc.sealers.empty())
    out.comment = fmt::format("{} {}, last sealed by {}", arc.sets, arc.sets == 1 ? "set" : "sets",
                              arc.sealers.back());
  return out;
}

// RFC 7489 11.2. What the domain asks for is not always what is done: policy.dmarc says the first,
// the comment the second.
MethodResult dmarc_result(const config::Authentication& settings,
                          const AuthenticationFindings& findings) {
  MethodResult out{"dmarc", "none"};
  if (!findings.dmarc) {
    out.reason = text_of(findings.author.verdict);
    return out;
  }
  const DmarcResult& dmarc = *findings.dmarc;
  out.result = name_of(dmarc.verdict);
  if (dmarc.reason != DmarcReason::none) out.reason = text_of(dmarc.reason);
  out.properties.push_back({"header", "from", dmarc.author});
  if (dmarc.policy_domain.empty()) return out;
  out.properties.push_back({"policy", "dmarc", std::string(name_of(dmarc.policy))});
  if (dmarc.verdict != DmarcVerdict::fail) return out;
  DmarcDisposition done = dmarc_disposition(settings, findings);
  out.comment = fmt::format("action={}", name_of(done.action));
  if (done.why != DmarcOverride::none) out.comment += fmt::format(", {}", name_of(done.why));
  return out;
}

}  // namespace

std::vector<MethodResult> method_results(const config::Authentication& settings,
                                         const AuthenticationFindings& findings) {
  std::vector<MethodResult> out;
  for (const auto& spf : {&findings.spf, &findings.spf_helo})
    if (*spf) out.push_back(spf_result(findings, **spf));
  if (findings.dkim) {
    for (const SignatureResult& one : *findings.dkim) out.push_back(dkim_result(one));
    if (findings.dkim->empty()) out.push_back({"dkim", "none"});
  }
  if (findings.arc && findings.arc->sets > 0) out.push_back(arc_result(*findings.arc));
  if (settings.dmarc != AuthenticationAction::off) out.push_back(dmarc_result(settings, findings));
  return out;
}

std::string_view own_mail_word(OwnMail own) {
  constexpr std::string_view kWords[] = {"pass", "temperror", "fail"};
  return kWords[static_cast<std::size_t>(own)];
}

std::string summary_of(const config::Authentication& settings,
                       const AuthenticationFindings& findings) {
  std::string out;
  auto add = [&](std::string_view method, std::string_view result, std::string_view domain) {
    if (!out.empty()) out += ' ';
    out += fmt::format("{}={}", method, result);
    if (!domain.empty()) out += fmt::format(" ({})", printable(domain, kDomainTold));
  };
  if (findings.spf) add("spf", name_of(findings.spf->result), findings.spf->domain);
  if (findings.spf_helo)
    add("spf_helo", name_of(findings.spf_helo->result), findings.spf_helo->domain);
  if (findings.dkim) {
    for (const SignatureResult& one : *findings.dkim) add("dkim", name_of(one.verdict), one.domain);
    if (findings.dkim->empty()) add("dkim", "none", {});
  }
  if (findings.arc && findings.arc->sets > 0)
    add("arc", name_of(findings.arc->verdict),
        findings.arc->sealers.empty() ? std::string() : findings.arc->sealers.back());
  if (findings.dmarc) add("dmarc", name_of(findings.dmarc->verdict), findings.dmarc->author);
  if (findings.author_is_own)
    add("own", own_mail_word(own_mail_of(settings, findings)), findings.author.domain);
  return out.substr(0, ipc::kFilterJudgementTextMax);
}

}  // namespace postwain::filter
