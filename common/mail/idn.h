// Internationalised domain names. Home of libidn2, which is text in and text out: no I/O, no
// locale, no state. It stands this low because the one form in which domains are compared
// (mail::domain_key) depends on it.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace postwain::mail {

// The A-label form (RFC 5891) of a domain in UTF-8, as the DNS and TLS know it, after the mapping
// of UTS 46 (capitals, forms that are not NFC, the other full stops). A domain in ASCII stays as it
// is. Fails when it is no valid name; the text says why, for a bounce.
Result<std::string> to_ascii(std::string_view domain);

}  // namespace postwain::mail
