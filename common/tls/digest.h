// SHA-256, HMAC and PBKDF2 for SCRAM, HMAC for addresses that come back, and random octets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/sasl/digest.h"

namespace postwain::tls {

const sasl::Digest& digest();
// RFC 8018 5.2 with HMAC-SHA-256, 32 octets. Milliseconds for thousands of iterations.
std::string pbkdf2_sha256(std::string_view password, std::string_view salt,
                          std::uint32_t iterations);
// RFC 2104 with SHA-1, 20 octets: for rewritten senders (common/rewrite/srs.h), whose hash others
// have chosen, and for nothing new.
std::string hmac_sha1(std::string_view key, std::string_view text);
std::string random_octets(std::size_t count);

}  // namespace postwain::tls
