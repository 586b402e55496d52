// The hash functions SASL mechanisms are made of, as an interface: the arithmetic is OpenSSL's
// (common/tls/digest.h), and this floor knows no library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postwain::sasl {

class Digest {
 public:
  virtual ~Digest() = default;
  virtual std::string sha256(std::string_view text) const = 0;
  virtual std::string hmac_sha256(std::string_view key, std::string_view text) const = 0;
  virtual std::string hmac_md5(std::string_view key, std::string_view text) const = 0;
  // RFC 8018 5.2 with HMAC-SHA-256, 32 octets. Milliseconds for thousands of iterations.
  virtual std::string pbkdf2_sha256(std::string_view password, std::string_view salt,
                                    std::uint32_t iterations) const = 0;
};

}  // namespace postwain::sasl
