// The addresses of an LMTP store: always named by the route, never found by MX (RFC 2033 3).
#pragma once

#include <functional>
#include <memory>

#include "common/agent/hosts/fixed_hosts.h"
#include "common/agent/hosts/next_hosts.h"
#include "common/base/result.h"
#include "common/config/config_fwd.h"
#include "common/dns/resolver.h"
#include "common/net/loop.h"

namespace postwain::lmtp_client {

class StoreFinder : public agent::HostFinder {
 public:
  static Result<std::unique_ptr<StoreFinder>> create(net::Loop& loop, const config::Config& config);
  void find(const mail::Transport& transport, const mail::StsPolicy* known,
            std::function<void(agent::NextHosts)> done) override;

 private:
  explicit StoreFinder(std::unique_ptr<dns::Resolver> resolver);
  std::unique_ptr<dns::Resolver> resolver_;
  agent::FixedHosts hosts_;
};

}  // namespace postwain::lmtp_client
