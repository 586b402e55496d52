// The hosts a route names: Unix sockets and addresses as they are, names looked up (/etc/hosts
// first, then DNS), all of them in the order of the route. No MX lookup, and private addresses are
// fine: the operator chose them.
#pragma once

#include "common/agent/next_hosts.h"
#include "common/dns/resolver.h"

namespace postwain::agent {

class FixedHosts : public HostFinder {
 public:
  explicit FixedHosts(dns::Resolver& resolver) : resolver_(resolver) {}
  void find(const mail::NextHop& hop, mail::TlsLevel level,
            std::function<void(NextHosts)> done) override;

 private:
  dns::Resolver& resolver_;
};

}  // namespace postwain::agent
