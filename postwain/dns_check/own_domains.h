// Which domains and addresses are ours, by the configuration: what `check --dns` looks at. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/config/config_fwd.h"

namespace postwain::tool {

constexpr std::size_t kOwnAddressesMax = 16;  // further ones are not looked at

struct OwnDomain {
  std::string name;       // mail::domain_key()
  bool receives = false;  // mail comes to it: it stands in a [[domain]], or bounces come back to it
  bool writes = true;     // it stands in From fields; else it is only where bounces go
};

// Those that are named in the configuration for mail that comes or leaves, each once, in the order
// of their names. Patterns (".example.org") and names without a dot are left out: the DNS of the
// world says nothing of them.
std::vector<OwnDomain> own_domains(const config::Config& config);

// From where our mail leaves: those given, else those of our host in the DNS, of listeners and of
// the sources of routes, without those that are none of the internet (dns::is_special_address).
std::vector<std::string> own_addresses(const config::Config& config,
                                       const std::vector<std::string>& given,
                                       const std::vector<std::string>& of_host);

}  // namespace postwain::tool
