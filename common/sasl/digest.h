// The two hash functions SCRAM-SHA-256 is made of, as an interface: the arithmetic is OpenSSL's
// (common/tls/digest.h), and this floor knows no library.
#pragma once

#include <string>
#include <string_view>

namespace postwain::sasl {

class Digest {
 public:
  virtual ~Digest() = default;
  virtual std::string sha256(std::string_view text) const = 0;
  virtual std::string hmac_sha256(std::string_view key, std::string_view text) const = 0;
};

}  // namespace postwain::sasl
