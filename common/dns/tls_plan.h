// How TLS is to be used towards one host, from what the DNS said of it: DANE (RFC 7672). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/dns/answer.h"
#include "common/mail/next_hop.h"
#include "common/mail/tlsa.h"

namespace postwain::dns {

struct HostTls {
  // What the connection does: off, may, encrypt, verify, or dane with `tlsa`.
  mail::TlsLevel level = mail::TlsLevel::may;
  std::vector<mail::Tlsa> tlsa;  // the usable ones
  std::string policy;            // for logs: "dane", "dane without usable record"; empty: none
  // The host must not be used, and this is why; a sentence for a person.
  std::optional<std::string> refusal;
};

// Whether TLSA records are to be asked for: the level wants to know, and name and address of the
// host were answered authentically.
bool wants_tlsa(mail::TlsLevel level, bool secure_host);

// "_25._tcp.mx.example.org"
std::string tlsa_name(std::string_view host, std::uint16_t port);

// level: of the route. answer: of the TLSA lookup; null: none was made.
HostTls plan_tls(mail::TlsLevel level, std::string_view host, const TlsaAnswer* answer);

}  // namespace postwain::dns
