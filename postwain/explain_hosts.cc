#include "postwain/explain_hosts.h"

#include "common/agent/mx_finder.h"
#include "common/net/loop.h"

namespace postwain::tool {

Result<agent::NextHosts> look_up_hosts(const config::Config& config, const mail::NextHop& hop,
                                       mail::TlsLevel tls) {
  net::Loop loop;
  auto resolver = dns::Resolver::create(loop, config.dns.servers, config.dns.trust_ad);
  if (!resolver) return resolver.error();
  agent::MxFinder finder(**resolver, config);
  std::optional<agent::NextHosts> found;
  finder.find(hop, tls, [&](agent::NextHosts hosts) {
    found = std::move(hosts);
    loop.stop();
  });
  if (!found) loop.run();
  return std::move(*found);
}

}  // namespace postwain::tool
