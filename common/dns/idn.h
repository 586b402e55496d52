// Internationalised domain names. Home of libidn2.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace postwain::dns {

// The A-label form (RFC 5891) of a domain in UTF-8, as the DNS and TLS know it; a domain in ASCII
// stays as it is. Fails when it is no valid name; the text says why, for a bounce.
Result<std::string> to_ascii(std::string_view domain);

}  // namespace postwain::dns
