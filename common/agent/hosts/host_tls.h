// How TLS is used towards each host of a next hop: the TLSA lookups (DANE, RFC 7672) strung
// together; what they mean is decided in common/dns/tls_plan.h.
#pragma once

#include <functional>
#include <memory>

#include "common/agent/hosts/next_hosts.h"
#include "common/agent/hosts/tls_notes.h"
#include "common/dns/resolver.h"

namespace postwain::agent {

struct TlsDemand {
  mail::TlsLevel level = mail::TlsLevel::may;
  std::string domain;                          // of the recipients, for routing by MX
  std::shared_ptr<const mail::StsPolicy> sts;  // what it asks for; null: nothing
  TlsNotes* notes = nullptr;                   // null: nobody reports
};

// Fills tls of each candidate. Hosts that must not be used are left out; when none remains, the
// refusal says why. A refusal that is there already passes through. done is called once, perhaps
// before this returns.
void decide_tls(dns::Resolver& resolver, const TlsDemand& demand, NextHosts found,
                const std::function<void(NextHosts)>& done);

}  // namespace postwain::agent
