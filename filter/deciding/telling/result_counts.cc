#include "filter/deciding/telling/result_counts.h"

#include "filter/deciding/telling/result_words.h"

namespace postwain::filter {

using ipc::AuthenticationEnd;
using ipc::AuthenticationMethod;

namespace {

AuthenticationEnd end_of(const AuthenticationVerdict& verdict) {
  if (verdict.verdict == ipc::FilterVerdict::refuse) return AuthenticationEnd::refuse;
  if (verdict.verdict == ipc::FilterVerdict::defer) return AuthenticationEnd::defer;
  return verdict.hold ? AuthenticationEnd::hold : AuthenticationEnd::accept;
}

}  // namespace

void count_results(ipc::AuthenticationCounts& counts, const config::Authentication& settings,
                   const AuthenticationFindings& findings) {
  if (findings.spf) counts.add_result(AuthenticationMethod::spf, name_of(findings.spf->result));
  if (findings.spf_helo)
    counts.add_result(AuthenticationMethod::spf_helo, name_of(findings.spf_helo->result));
  if (findings.dkim) {
    for (const authentication::dkim::SignatureResult& one : *findings.dkim)
      counts.add_result(AuthenticationMethod::dkim, name_of(one.verdict));
    if (findings.dkim->empty()) counts.add_result(AuthenticationMethod::dkim, "none");
  }
  if (findings.arc) counts.add_result(AuthenticationMethod::arc, name_of(findings.arc->verdict));
  if (findings.dmarc)
    counts.add_result(AuthenticationMethod::dmarc, name_of(findings.dmarc->verdict));
  if (findings.author_is_own)
    counts.add_result(AuthenticationMethod::own_domains,
                      own_mail_word(own_mail_of(settings, findings)));
}

void count_end(ipc::AuthenticationCounts& counts, const AuthenticationVerdict& verdict) {
  counts.add_end(verdict.cause, end_of(verdict));
}

}  // namespace postwain::filter
