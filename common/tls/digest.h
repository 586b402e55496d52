// SHA-256, HMAC and PBKDF2 for SCRAM, and random octets.
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
std::string random_octets(std::size_t count);

}  // namespace postwain::tls
