// The hosts a route names: Unix sockets and addresses as they are, names looked up (/etc/hosts
// first, then DNS), all of them in the order of the route. No MX lookup, and private addresses are
// fine: the operator chose them.
#pragma once

#include "common/agent/hosts/next_hosts.h"
#include "common/dns/resolver.h"

namespace postwain::agent {

class FixedHosts : public HostFinder {
 public:
  explicit FixedHosts(dns::Resolver& resolver) : resolver_(resolver) {}
  void find(const mail::Transport& transport, const mail::StsPolicy* known,
            std::function<void(NextHosts)> done) override;
  // For any finder: behind what was found come the transport's fallback hosts. They alone remain
  // where nothing can be reached now; a next hop that refuses for good has none.
  void add_fallback(const mail::Transport& transport, NextHosts found,
                    const std::function<void(NextHosts)>& done);

 private:
  void look_up(const std::vector<mail::HopHost>& hosts, mail::Family family,
               std::function<void(NextHosts)> done);
  dns::Resolver& resolver_;
};

}  // namespace postwain::agent
