// How TLS is to be used towards one host, from what is known of it: DANE (RFC 7672), the domain's
// MTA-STS policy (RFC 8461), REQUIRETLS (RFC 8689). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/dns/answer.h"
#include "common/mail/next_hop.h"
#include "common/mail/sts_policy.h"
#include "common/mail/tls_result.h"
#include "common/mail/tlsa.h"

namespace postwain::dns {

struct HostTls {
  // What the connection does: off, may, encrypt, verify, or dane with `tlsa`.
  mail::TlsLevel level = mail::TlsLevel::may;
  std::vector<mail::Tlsa> tlsa;  // the usable ones
  std::string tlsa_host;         // whose they are: host, or what it is an alias of
  std::string policy;  // for logs: "dane", "dane without usable record", "sts"; empty: none
  // The certificate is looked at and what is wrong with it told to the log; nothing hangs on it.
  bool only_watch = false;
  // The host must not be used, and this is why; a sentence for a person.
  std::optional<std::string> refusal;
  // What its domain should hear of, whether it may be used or not; success: nothing.
  mail::TlsEnd flaw = mail::TlsEnd::success;
};

// Whether TLSA records are to be asked for: the level wants to know, and name and address of the
// host were answered authentically.
bool wants_tlsa(mail::TlsLevel level, bool secure_host);

// "_25._tcp.mx.example.org"
std::string tlsa_name(std::string_view host, std::uint16_t port);

struct TlsaFound {
  std::string host;  // below whose name they were asked for
  TlsaAnswer answer;
};
struct HostFacts {
  std::string_view host;
  std::string_view domain;               // whose host it is, for routing by MX
  bool proven = false;                   // that it is: by DNSSEC, or by the operator's word
  const TlsaFound* tlsa = nullptr;       // null: not looked up
  const mail::StsPolicy* sts = nullptr;  // of the domain; null: it has none
};

// level: of the route. TLSA records come before a policy (RFC 8461 2).
HostTls plan_tls(mail::TlsLevel level, const HostFacts& facts);

}  // namespace postwain::dns
