#include "filter/deciding/authentication_findings.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/authentication/results/results_reader.h"
#include "common/base/text.h"
#include "common/mail/address.h"

namespace postwain::filter {

using authentication::Author;
using authentication::AuthorVerdict;
using authentication::DmarcAction;
using authentication::DmarcDisposition;
using authentication::DmarcIdentity;
using authentication::DmarcIdentityState;
using authentication::DmarcResult;
using authentication::DmarcVerdict;
using authentication::MethodResult;
using authentication::SpfFinding;
using authentication::SpfIdentity;
using authentication::SpfResult;
using authentication::arc::ArcVerdict;
using authentication::dkim::SignatureResult;
using config::AuthenticationAction;

namespace {

constexpr std::size_t kDomainShown = 100;  // octets of a domain in the words for a trace

DmarcIdentityState state_of(SpfResult result) {
  if (result == SpfResult::pass) return DmarcIdentityState::pass;
  return result == SpfResult::temperror ? DmarcIdentityState::temporary : DmarcIdentityState::fail;
}

DmarcIdentityState state_of(authentication::dkim::Verdict verdict) {
  using authentication::dkim::Verdict;
  if (verdict == Verdict::pass) return DmarcIdentityState::pass;
  return verdict == Verdict::temperror ? DmarcIdentityState::temporary : DmarcIdentityState::fail;
}

// Whether the results of a sealer ("i=1; mx.example; dmarc=pass header.from=…") say that the mail
// was its author's when it came to him.
bool says_authentic(std::string_view results, const std::string& author) {
  std::size_t instance = results.find(';');
  if (author.empty() || instance == std::string_view::npos) return false;
  auto read = authentication::parse_results(results.substr(instance + 1));
  if (!read) return false;
  auto is_of_author = [&](const MethodResult& one) {
    bool dmarc = one.method == "dmarc" && one.result == "pass";
    bool dkim = one.method == "dkim" && one.result == "pass";
    return std::any_of(one.properties.begin(), one.properties.end(), [&](const auto& property) {
      bool names = property.type == "header" &&
                   ((dmarc && property.name == "from") || (dkim && property.name == "d"));
      return names && mail::domain_key(property.value) == author;
    });
  };
  return std::any_of(read->results.begin(), read->results.end(), is_of_author);
}

// A whole chain says who has sealed it, and nothing of whether he is to be believed; and who seals
// all mail that he forwards has to have found it good.
bool has_trusted_chain(const config::Authentication& settings,
                       const AuthenticationFindings& findings) {
  if (!findings.arc || findings.arc->verdict != ArcVerdict::pass || findings.arc->sealers.empty())
    return false;
  const std::vector<std::string>& trusted = settings.arc.trusted;
  return std::find(trusted.begin(), trusted.end(), findings.arc->sealers.back()) != trusted.end() &&
         says_authentic(findings.arc->results, findings.author.domain);
}

DmarcDisposition disposition_of(const config::Authentication& settings,
                                const AuthenticationFindings& findings) {
  constexpr DmarcAction kActions[] = {DmarcAction::none, DmarcAction::note, DmarcAction::hold,
                                      DmarcAction::refuse};
  if (!findings.dmarc) return {};
  authentication::DmarcCircumstances circumstances;
  circumstances.setting = kActions[static_cast<std::size_t>(settings.dmarc)];
  circumstances.from_list = findings.from_list;
  circumstances.trusted_chain = has_trusted_chain(settings, findings);
  return authentication::disposition(*findings.dmarc, circumstances);
}

bool is_of_helo(const SpfFinding& spf) {
  return spf.identity == SpfIdentity::helo;
}

mail::Reply spf_refusal(std::string_view client, const SpfFinding& spf) {
  return {550,
          {5, 7, 23},
          fmt::format("{} may not {} {}, says its SPF record", printable(client, kDomainShown),
                      is_of_helo(spf) ? "call itself" : "send mail of",
                      printable(spf.domain, kDomainShown))};
}

// RFC 7372 3.1: no signature that counts has passed.
mail::Reply dkim_refusal(const std::string& author) {
  return {550,
          {5, 7, 20},
          fmt::format("The DKIM signature of {} does not verify, and its DMARC policy is to reject "
                      "mail that is not its own",
                      printable(author, kDomainShown))};
}

mail::Reply dmarc_refusal(const DmarcResult& dmarc) {
  return {
      550,
      {5, 7, 1},
      fmt::format("Neither SPF nor DKIM shows that this mail is of {}, whose DMARC policy is to "
                  "{} such mail",
                  printable(dmarc.author, kDomainShown), name_of(dmarc.policy))};
}

// Whoever writes such a field has some readers see a domain whose policy nobody could look up.
mail::Reply author_refusal(const Author& author) {
  return {550,
          {5, 7, 1},
          fmt::format("The From field has to name one author: {}", text_of(author.verdict))};
}

// The policy is known, and what is not is the stranger's own choice of domains.
bool waits_for_identity(const AuthenticationFindings& findings) {
  return findings.dmarc && findings.dmarc->verdict == DmarcVerdict::temperror &&
         !findings.dmarc->policy_domain.empty() &&
         findings.dmarc->policy != authentication::DmarcPolicy::none;
}

AuthenticationVerdict put_off(std::string_view author, std::string_view why) {
  return {ipc::FilterVerdict::defer,
          {451,
           {4, 7, 1},
           fmt::format("Whether this mail is of {} cannot be found out now: {}",
                       printable(author, kDomainShown), why)}};
}

AuthenticationVerdict because(ipc::AuthenticationCause cause, AuthenticationVerdict verdict) {
  verdict.cause = cause;
  return verdict;
}

AuthenticationVerdict refuse(mail::Reply reply) {
  return {ipc::FilterVerdict::refuse, std::move(reply)};
}

AuthenticationVerdict hold(std::string why) {
  return {ipc::FilterVerdict::keep_going, {}, std::move(why)};
}

// DMARC, or a forwarder whom the operator trusts, knows the mail to be its author's.
bool is_authentic(const config::Authentication& settings, const AuthenticationFindings& findings) {
  return (findings.dmarc && findings.dmarc->verdict == DmarcVerdict::pass) ||
         has_trusted_chain(settings, findings);
}

// The same, and not by SPF of the sender alone: that says nothing for a hello that fails, since
// both are the stranger's own choice.
bool is_authentic_by_content(const config::Authentication& settings,
                             const AuthenticationFindings& findings) {
  bool is_signed = findings.dmarc && findings.dmarc->dkim_aligned;
  return is_authentic(settings, findings) && (is_signed || has_trusted_chain(settings, findings));
}

// What SPF of one identity leads to. Authentic mail is not punished for the way that it came.
AuthenticationVerdict verdict_of_spf(AuthenticationAction action,
                                     const std::optional<SpfFinding>& spf, bool authentic,
                                     const AuthenticationFindings& findings) {
  if (!spf || spf->result != SpfResult::fail || authentic) return {};
  if (action == AuthenticationAction::refuse) return refuse(spf_refusal(findings.client, *spf));
  if (action == AuthenticationAction::hold)
    return hold(fmt::format("SPF of {}{} fails", is_of_helo(*spf) ? "the hello " : "",
                            printable(spf->domain, kDomainShown)));
  return {};
}

// An empty sender stands for postmaster at the name in the hello (RFC 7208 2.4): one look-up does
// for both.
const std::optional<SpfFinding>& spf_of_hello(const AuthenticationFindings& findings) {
  bool is_sender = !findings.spf_helo && findings.spf && is_of_helo(*findings.spf);
  return is_sender ? findings.spf : findings.spf_helo;
}

// A signature of the author's domain that does not verify, and no other one that does, where that
// domain asks for as much by its policy. It says more than DMARC, which SPF may satisfy.
AuthenticationVerdict verdict_of_dkim(const config::Authentication& settings,
                                      const AuthenticationFindings& findings) {
  using authentication::dkim::Verdict;
  if (settings.dkim < AuthenticationAction::hold || !findings.dkim || !findings.dmarc ||
      findings.dmarc->dkim_aligned || has_trusted_chain(settings, findings))
    return {};
  const std::string& author = findings.dmarc->author;
  bool broken = std::any_of(findings.dkim->begin(), findings.dkim->end(), [&](const auto& one) {
    return one.domain_key == author &&
           (one.verdict == Verdict::fail || one.verdict == Verdict::permerror);
  });
  authentication::DmarcPolicy policy = findings.dmarc->policy;
  if (!broken || policy == authentication::DmarcPolicy::none) return {};
  bool may_refuse = policy == authentication::DmarcPolicy::reject && !findings.from_list;
  if (settings.dkim == AuthenticationAction::refuse && may_refuse)
    return refuse(dkim_refusal(author));
  return hold(fmt::format("DKIM of {} fails", printable(author, kDomainShown)));
}

AuthenticationVerdict verdict_of_dmarc(const config::Authentication& settings,
                                       const AuthenticationFindings& findings) {
  if (settings.dmarc < AuthenticationAction::hold) return {};
  const Author& author = findings.author;
  if (author.verdict == AuthorVerdict::several || author.verdict == AuthorVerdict::unparsable)
    return settings.dmarc == AuthenticationAction::refuse
               ? refuse(author_refusal(author))
               : hold(fmt::format("From: {}", text_of(author.verdict)));
  if (waits_for_identity(findings) && !has_trusted_chain(settings, findings))
    return put_off(findings.dmarc->author, text_of(findings.dmarc->reason));
  DmarcDisposition dmarc = disposition_of(settings, findings);
  if (dmarc.action == DmarcAction::refuse) return refuse(dmarc_refusal(*findings.dmarc));
  if (dmarc.action == DmarcAction::hold)
    return hold(fmt::format("DMARC of {} fails", printable(findings.dmarc->author, kDomainShown)));
  return {};
}

// Whatever the policy of the domain: it is ours, and its mail is not brought by strangers without
// something that shows it.
AuthenticationVerdict verdict_of_own_domains(const config::Authentication& settings,
                                             const AuthenticationFindings& findings) {
  if (settings.own_domains < AuthenticationAction::hold || !findings.author_is_own) return {};
  const Author& author = findings.author;
  OwnMail own = own_mail_of(settings, findings);
  if (own == OwnMail::shown) return {};
  if (own == OwnMail::unknown)
    return put_off(findings.own_author->author, "temporary failure of the DNS");
  bool may_refuse = settings.own_domains == AuthenticationAction::refuse && !findings.from_list;
  if (author.verdict != AuthorVerdict::one)
    return may_refuse ? refuse(author_refusal(author))
                      : hold(fmt::format("From: {}", text_of(author.verdict)));
  std::string domain = printable(author.domain, kDomainShown);
  if (!may_refuse)
    return hold(fmt::format("nothing shows that it is of {}, which is ours", domain));
  return refuse({550,
                 {5, 7, 1},
                 fmt::format("{} is a domain of this system, and neither SPF nor DKIM shows that "
                             "this mail is its own",
                             domain)});
}

}  // namespace

bool names_own_author(std::string_view header, const Author& author,
                      const rewrite::OwnDomains& own) {
  switch (author.verdict) {
    case AuthorVerdict::none:
      return false;
    case AuthorVerdict::unparsable:
      return true;
    case AuthorVerdict::one:
      return own.name(mail::domain_key(author.domain));
    case AuthorVerdict::several:
      break;
  }
  auto authors = authentication::addresses_in(header, "From");
  return !authors || std::any_of(authors->begin(), authors->end(), [&](const mail::Address& one) {
    return own.name(one.domain_key());
  });
}

OwnMail own_mail_of(const config::Authentication& settings,
                    const AuthenticationFindings& findings) {
  if (has_trusted_chain(settings, findings)) return OwnMail::shown;
  if (!findings.own_author) return OwnMail::forged;  // several authors, or none that can be read
  const DmarcResult& dmarc = *findings.own_author;
  if (dmarc.spf_aligned || dmarc.dkim_aligned) return OwnMail::shown;
  bool is_open = dmarc.undecided || dmarc.verdict == DmarcVerdict::temperror;
  return is_open ? OwnMail::unknown : OwnMail::forged;
}

AuthenticationVerdict too_many_forgeries() {
  return because(
      ipc::AuthenticationCause::forged_results,
      refuse(
          {550, {5, 7, 1}, "Too many Authentication-Results fields in the name of this system"}));
}

authentication::DmarcInput dmarc_input(const AuthenticationFindings& findings) {
  authentication::DmarcInput out;
  out.author = findings.author.domain;
  out.always_align = findings.author_is_own;
  if (findings.spf) out.spf = {state_of(findings.spf->result), findings.spf->domain};
  if (findings.dkim)
    for (const SignatureResult& one : *findings.dkim)
      if (!one.domain_key.empty())
        out.signatures.push_back({state_of(one.verdict), one.domain_key});
  // Those that passed first, since not all of them are looked at.
  std::stable_sort(
      out.signatures.begin(), out.signatures.end(),
      [](const DmarcIdentity& a, const DmarcIdentity& b) { return a.state < b.state; });
  return out;
}

DmarcDisposition dmarc_disposition(const config::Authentication& settings,
                                   const AuthenticationFindings& findings) {
  return disposition_of(settings, findings);
}

AuthenticationVerdict verdict_of(const config::Authentication& settings,
                                 const AuthenticationFindings& findings) {
  // The first refusal; else what puts it off; else what holds it.
  using ipc::AuthenticationCause;
  AuthenticationVerdict all[] = {
      because(AuthenticationCause::dmarc, verdict_of_dmarc(settings, findings)),
      because(AuthenticationCause::own_domains, verdict_of_own_domains(settings, findings)),
      because(AuthenticationCause::dkim, verdict_of_dkim(settings, findings)),
      because(AuthenticationCause::spf, verdict_of_spf(settings.spf, findings.spf,
                                                       is_authentic(settings, findings), findings)),
      because(AuthenticationCause::spf_helo,
              verdict_of_spf(settings.spf_helo, spf_of_hello(findings),
                             is_authentic_by_content(settings, findings), findings))};
  for (ipc::FilterVerdict wanted : {ipc::FilterVerdict::refuse, ipc::FilterVerdict::defer})
    for (AuthenticationVerdict& one : all)
      if (one.verdict == wanted) return std::move(one);
  for (AuthenticationVerdict& one : all)
    if (one.hold) return std::move(one);
  return {};
}

}  // namespace postwain::filter
