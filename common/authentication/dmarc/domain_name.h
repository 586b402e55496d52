// The form in which domains of mail authentication are compared and asked for (RFC 9989 5.3.1;
// RFC 5890 2.3): lower case, A-labels, without a final dot. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postwain::authentication {

// Nothing: it is no name of the DNS (RFC 1035 2.3.4: labels of 1 to 63 octets, 253 in all), or
// holds what is none of letter, digit, hyphen and underscore in its A-label form.
std::optional<std::string> canonical_domain(std::string_view domain);

// Whether it is that domain, or one below it. Both canonical.
bool is_same_or_below(std::string_view domain, std::string_view above);

}  // namespace postwain::authentication
