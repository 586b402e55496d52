#include "postwain/explain/explain_hosts.h"

#include "common/agent/hosts/mx_finder.h"
#include "common/agent/hosts/sts_finder.h"
#include "common/dns/client_lookups.h"
#include "common/http/fetcher.h"
#include "common/net/loop.h"
#include "smtpd/acceptance/client_address.h"
#include "smtpd/acceptance/dns_checks.h"

namespace postwain::tool {

Result<agent::NextHosts> look_up_hosts(const config::Config& config,
                                       const mail::Transport& transport) {
  net::Loop loop;
  auto resolver = dns::Resolver::create(loop, config.dns.servers, config.dns.trust_ad);
  if (!resolver) return resolver.error();
  agent::StsFinder policies(**resolver, http::new_fetcher(loop), nullptr, config.delivery.sts_port,
                            config.delivery.allow_private_mx);
  agent::MxFinder finder(**resolver, config.delivery.sts ? &policies : nullptr, nullptr, config);
  std::optional<agent::NextHosts> found;
  finder.find(transport, nullptr, [&](agent::NextHosts hosts) {
    found = std::move(hosts);
    loop.stop();
  });
  if (!found) loop.run();
  return std::move(*found);
}

Result<dns::ClientFacts> look_at_client(const config::Config& config, const Question& question) {
  net::Loop loop;
  auto resolver = dns::Resolver::create(loop, config.dns.servers);
  if (!resolver) return resolver.error();
  dns::ClientLookups lookups(loop, **resolver);
  mail::Address sender = mail::Address::from_text(question.sender);
  std::string hello = mail::domain_key(question.hello);
  if (!question.client.empty() && smtpd::asks_client(config))
    lookups.client(smtpd::plain_address(question.client));
  if (smtpd::asks_hello(config, hello)) lookups.hello(hello);
  if (smtpd::asks_sender(config, sender)) lookups.sender(sender.domain_key());
  if (lookups.pending()) {
    lookups.when_known([&loop] { loop.stop(); });
    loop.run();
  }
  return lookups.facts();
}

}  // namespace postwain::tool
