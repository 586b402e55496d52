#include "postwain/dns_check/own_domains.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "common/config/config.h"
#include "common/dns/special_address.h"
#include "common/mail/address.h"

namespace postwain::tool {

namespace {

bool is_in_the_dns(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.front() != '[' &&
         name.find('.') != std::string_view::npos;
}

std::string domain_of_address(const std::string& address) {
  return mail::Address::from_text(address).domain_key();
}

}  // namespace

std::vector<OwnDomain> own_domains(const config::Config& config) {
  std::map<std::string, OwnDomain> all;
  auto add = [&all](const std::string& name, bool receives, bool writes = true) {
    if (!is_in_the_dns(name)) return;
    std::string key = mail::domain_key(name);
    OwnDomain& known = all.try_emplace(key, OwnDomain{key, false, false}).first->second;
    known.receives = known.receives || receives;
    known.writes = known.writes || writes;
  };
  for (const config::Domain& domain : config.domains)
    for (const std::string& name : domain.names) add(name, true);
  for (const config::DkimKey& key : config.dkim_keys) add(key.domain, false);
  if (config.tls_reports.wanted) add(domain_of_address(config.tls_reports.from), false);
  if (config.dmarc_reports.wanted) add(domain_of_address(config.dmarc_reports.from), false);
  if (config.srs.wanted) add(config.srs.domain, true, false);
  // What comes from the host itself is judged with the host.
  std::string postmaster = domain_of_address(config.postmaster);
  if (postmaster != mail::domain_key(config.hostname)) add(postmaster, false);
  std::vector<OwnDomain> out;
  for (const auto& [name, one] : all) out.push_back(one);
  return out;
}

std::vector<std::string> own_addresses(const config::Config& config,
                                       const std::vector<std::string>& given,
                                       const std::vector<std::string>& of_host) {
  std::vector<std::string> out;
  auto add = [&out](const std::string& address) {
    if (address.empty() || out.size() >= kOwnAddressesMax) return;
    if (std::find(out.begin(), out.end(), address) == out.end()) out.push_back(address);
  };
  for (const std::string& address : given) add(address);
  if (!given.empty()) return out;
  auto add_public = [&add](const std::string& address) {
    if (!dns::is_special_address(address)) add(address);
  };
  for (const std::string& address : of_host) add_public(address);
  for (const config::Listener& listener : config.listeners) add_public(listener.host);
  for (const config::Route& route : config.routes)
    for (const std::string& source : route.sources) add_public(source);
  return out;
}

}  // namespace postwain::tool
