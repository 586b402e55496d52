// The hosts of a next hop for SMTP: by MX for routes that say "mx" (RFC 5321 5.1), as named for the
// others. The decisions are in common/dns/mx_plan.h; here the lookups are strung together.
#pragma once

#include <functional>
#include <random>
#include <string>

#include "common/agent/hosts/fixed_hosts.h"
#include "common/agent/hosts/next_hosts.h"
#include "common/agent/hosts/own_addresses.h"
#include "common/agent/hosts/sts_finder.h"
#include "common/config/config_fwd.h"
#include "common/dns/mx_plan.h"
#include "common/dns/resolver.h"

namespace postwain::agent {

class MxFinder : public HostFinder {
 public:
  // policies: null: MTA-STS is not looked at.
  // notes: for results that end before a connection; null: nobody reports.
  MxFinder(dns::Resolver& resolver, StsFinder* policies, TlsNotes* notes,
           const config::Config& config);
  void find(const mail::Transport& transport, const mail::StsPolicy* known,
            std::function<void(NextHosts)> done) override;

 private:
  using Done = std::function<void(NextHosts)>;
  void find_mx(const std::string& domain, mail::Family family, const Done& done);
  void find_policy(const std::string& domain, const mail::Transport& transport,
                   const mail::StsPolicy* known, const std::function<void(StsFound)>& done);
  NextHosts candidates(const std::string& domain, const dns::MxPlan& plan,
                       mail::Family family) const;
  static std::string mx_set_of(const dns::MxHosts& hosts);

  dns::Resolver& resolver_;
  StsFinder* policies_;
  TlsNotes* notes_;
  FixedHosts fixed_;
  std::string hostname_;
  std::uint16_t port_;
  bool allow_private_;
  OwnAddresses own_;
  std::mt19937 generator_;  // shuffles equal preferences; nothing secret hangs on it
};

}  // namespace postwain::agent
