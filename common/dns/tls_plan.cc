#include "common/dns/tls_plan.h"

#include <fmt/format.h>

namespace postwain::dns {

using mail::TlsEnd;
using mail::TlsLevel;

bool wants_tlsa(TlsLevel level, bool secure_host) {
  return secure_host &&
         (level == TlsLevel::policy || level == TlsLevel::proven || level == TlsLevel::dane);
}

std::string tlsa_name(std::string_view host, std::uint16_t port) {
  return fmt::format("_{}._tcp.{}", port, host);
}

namespace {

HostTls refused(TlsLevel level, std::string policy, TlsEnd flaw, std::string why) {
  HostTls out;
  out.level = level;
  out.policy = std::move(policy);
  out.flaw = flaw;
  out.refusal = std::move(why);
  return out;
}

HostTls dane_refused(TlsEnd flaw, std::string why) {
  return refused(TlsLevel::dane, "dane", flaw, std::move(why));
}

// Records that nobody can use still say that the host does TLS (RFC 7672 2.2).
HostTls with_records(TlsLevel level, const HostFacts& facts) {
  HostTls out;
  for (const mail::Tlsa& record : facts.tlsa->answer.records)
    if (is_usable(record)) out.tlsa.push_back(record);
  out.tlsa_host = facts.tlsa->host;
  out.level = TlsLevel::dane;
  out.policy = "dane";
  if (!out.tlsa.empty()) return out;
  out.flaw = TlsEnd::tlsa_invalid;
  if (level == TlsLevel::dane)
    return dane_refused(out.flaw,
                        fmt::format("DANE: no TLSA record of {} can be used", facts.host));
  out.level = level == TlsLevel::proven ? TlsLevel::verify : TlsLevel::encrypt;
  out.policy = "dane without usable record";
  return out;
}

HostTls by_policy(const HostFacts& facts) {
  HostTls out;
  if (facts.sts == nullptr || facts.sts->mode == mail::StsPolicy::Mode::none) return out;
  if (facts.sts->mode == mail::StsPolicy::Mode::testing) {
    out.policy = "sts testing";
    out.only_watch = true;
    if (!facts.sts->lists(facts.host)) out.flaw = TlsEnd::validation_failure;
    return out;
  }
  if (!facts.sts->lists(facts.host))
    return refused(TlsLevel::verify, "sts", TlsEnd::validation_failure,
                   fmt::format("MTA-STS: the policy of {} does not list {} as its mail host",
                               facts.domain, facts.host));
  out.level = TlsLevel::verify;
  out.policy = "sts";
  return out;
}

// RFC 8689 4.2.1: a host nobody vouches for may be anybody's, whatever certificate it has.
HostTls by_proof(const HostFacts& facts) {
  HostTls out;
  out.level = TlsLevel::verify;
  bool listed = facts.sts != nullptr && facts.sts->mode != mail::StsPolicy::Mode::none &&
                facts.sts->lists(facts.host);
  if (listed) out.policy = "sts";
  if (facts.proven || listed) return out;
  return refused(TlsLevel::verify, {}, TlsEnd::success,
                 fmt::format("REQUIRETLS: neither DNSSEC nor MTA-STS proves that {} is a mail host "
                             "of {}",
                             facts.host, facts.domain));
}

HostTls without_records(TlsLevel level, const HostFacts& facts) {
  switch (level) {
    case TlsLevel::policy:
      return by_policy(facts);
    case TlsLevel::proven:
      return by_proof(facts);
    default:
      break;
  }
  return dane_refused(
      TlsEnd::dane_required,
      facts.tlsa == nullptr
          ? fmt::format("DANE: the DNS did not answer for {} with DNSSEC", facts.host)
          : fmt::format("DANE: {} has no TLSA records with DNSSEC", facts.host));
}

}  // namespace

HostTls plan_tls(TlsLevel level, const HostFacts& facts) {
  HostTls out;
  out.level = level;
  if (level != TlsLevel::policy && level != TlsLevel::proven && level != TlsLevel::dane) return out;
  if (facts.tlsa != nullptr) {
    const TlsaAnswer& answer = facts.tlsa->answer;
    // Someone who can suppress the answer must not be able to switch DANE off (RFC 7672 2.1.2).
    if (answer.status == AnswerStatus::temporary)
      return dane_refused(
          TlsEnd::dnssec_invalid,
          fmt::format("DANE: the TLSA records of {} cannot be looked up now", facts.host));
    if (answer.authentic && answer.status == AnswerStatus::ok) return with_records(level, facts);
  }
  return without_records(level, facts);
}

}  // namespace postwain::dns
