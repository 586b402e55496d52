// The patterns that rules and routes name addresses and domains by; all as canonical_pattern()
// makes them.
#pragma once

#include <string>
#include <string_view>

#include "common/mail/address.h"

namespace postwain::mail {

// A pattern as somebody wrote it, in the form in which it is compared: the domain as domain_key()
// gives it, the local part in lower case. Without it a rule could be passed by writing a name in
// its other spelling.
std::string canonical_pattern(std::string_view written);

// "*", "example.org", ".example.org" (any subdomain of it). domain: as domain_key() gives it.
bool matches_domain(std::string_view pattern, std::string_view domain);
// The same of an address's domain, "user@domain", and "<>" for the null reverse-path.
bool matches_address(std::string_view pattern, const Address& address);

}  // namespace postwain::mail
