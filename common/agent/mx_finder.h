// The hosts of a next hop for SMTP: by MX for routes that say "mx" (RFC 5321 5.1), as named for the
// others. The decisions are in common/dns/mx_plan.h; here the lookups are strung together.
#pragma once

#include <functional>
#include <random>
#include <string>

#include "common/agent/fixed_hosts.h"
#include "common/agent/next_hosts.h"
#include "common/agent/own_addresses.h"
#include "common/config/config.h"
#include "common/dns/mx_plan.h"
#include "common/dns/resolver.h"

namespace postwain::agent {

class MxFinder : public HostFinder {
 public:
  MxFinder(dns::Resolver& resolver, const config::Config& config);
  void find(const mail::NextHop& hop, mail::TlsLevel level,
            std::function<void(NextHosts)> done) override;

 private:
  void find_mx(const std::string& domain, const std::function<void(NextHosts)>& done);
  NextHosts candidates(const dns::MxPlan& plan) const;
  static std::string mx_set_of(const dns::MxHosts& hosts);

  dns::Resolver& resolver_;
  FixedHosts fixed_;
  std::string hostname_;
  std::uint16_t port_;
  bool allow_private_;
  OwnAddresses own_;
  std::mt19937 generator_;  // shuffles equal preferences; nothing secret hangs on it
};

}  // namespace postwain::agent
