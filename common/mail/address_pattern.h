// The patterns that rules and routes name addresses and domains by; all in lower case.
#pragma once

#include <string>
#include <string_view>

#include "common/mail/address.h"

namespace postwain::mail {

// "*", "example.org", ".example.org" (any subdomain of it). domain: as domain_key() gives it.
bool matches_domain(std::string_view pattern, std::string_view domain);
// The same of an address's domain, "user@domain", and "<>" for the null reverse-path.
bool matches_address(std::string_view pattern, const Address& address);

}  // namespace postwain::mail
