#include "common/dns/tls_plan.h"

#include <fmt/format.h>

namespace postwain::dns {

using mail::TlsLevel;

bool wants_tlsa(TlsLevel level, bool secure_host) {
  return secure_host && (level == TlsLevel::policy || level == TlsLevel::dane);
}

std::string tlsa_name(std::string_view host, std::uint16_t port) {
  return fmt::format("_{}._tcp.{}", port, host);
}

namespace {

HostTls refused(std::string why) {
  HostTls out;
  out.level = TlsLevel::dane;
  out.policy = "dane";
  out.refusal = std::move(why);
  return out;
}

// Records that nobody can use still say that the host does TLS (RFC 7672 2.2).
HostTls with_records(TlsLevel level, std::string_view host, const TlsaAnswer& answer) {
  HostTls out;
  for (const mail::Tlsa& record : answer.records)
    if (is_usable(record)) out.tlsa.push_back(record);
  out.level = out.tlsa.empty() ? TlsLevel::encrypt : TlsLevel::dane;
  out.policy = out.tlsa.empty() ? "dane without usable record" : "dane";
  if (out.tlsa.empty() && level == TlsLevel::dane)
    return refused(fmt::format("DANE: no TLSA record of {} can be used", host));
  return out;
}

}  // namespace

HostTls plan_tls(TlsLevel level, std::string_view host, const TlsaAnswer* answer) {
  HostTls out;
  out.level = level == TlsLevel::policy ? TlsLevel::may : level;
  if (level != TlsLevel::policy && level != TlsLevel::dane) return out;
  if (answer == nullptr) {
    if (level == TlsLevel::policy) return out;
    return refused(fmt::format("DANE: the DNS did not answer for {} with DNSSEC", host));
  }
  // Someone who can suppress the answer must not be able to switch DANE off (RFC 7672 2.1.2).
  if (answer->status == AnswerStatus::temporary)
    return refused(fmt::format("DANE: the TLSA records of {} cannot be looked up now", host));
  if (answer->authentic && answer->status == AnswerStatus::ok)
    return with_records(level, host, *answer);
  if (level == TlsLevel::policy) return out;
  return refused(fmt::format("DANE: {} has no TLSA records with DNSSEC", host));
}

}  // namespace postwain::dns
