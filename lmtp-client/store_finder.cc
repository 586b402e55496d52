#include "lmtp-client/store_finder.h"

#include "common/config/config.h"

#include <utility>

namespace postwain::lmtp_client {

Result<std::unique_ptr<StoreFinder>> StoreFinder::create(net::Loop& loop,
                                                         const config::Config& config) {
  auto resolver = dns::Resolver::create(loop, config.dns.servers, config.dns.trust_ad);
  if (!resolver) return resolver.error();
  return std::unique_ptr<StoreFinder>(new StoreFinder(resolver.take()));
}

StoreFinder::StoreFinder(std::unique_ptr<dns::Resolver> resolver)
    : resolver_(std::move(resolver)), hosts_(*resolver_) {}

void StoreFinder::find(const mail::Transport& transport, const mail::StsPolicy* known,
                       std::function<void(agent::NextHosts)> done) {
  hosts_.find(transport, known, std::move(done));
}

}  // namespace postwain::lmtp_client
