// Suspensions by the domain of the recipients: mail for such a domain waits, whatever its route,
// and all other mail goes on. What waits so has destinations of its own, one for each way it would
// take: the way's key, and behind it the domain ("smtp:relay:25 domain=example.org"). They are
// suspended like any other. Pure.
#pragma once

#include <string>
#include <string_view>

namespace postwain::qmgr {

// The name of such a suspension, and what an operator types: "domain:example.org". No next hop's
// key begins so.
constexpr std::string_view kDomainScope = "domain:";
std::string domain_scope(std::string_view domain);
// The domain of such a name; empty: it is the key of a destination.
std::string_view domain_of_scope(std::string_view name);

// The destination of what waits for a domain and would go this way.
std::string held_key(std::string_view way, std::string_view domain);
// The domain a destination was split off for; empty: it was not.
std::string_view held_domain(std::string_view destination);
// The key without that domain: what the destination is called for people and in numbers.
std::string_view unsplit_key(std::string_view destination);

}  // namespace postwain::qmgr
