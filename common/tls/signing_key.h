// A private key that signs with SHA-256: RSA or Ed25519, the two that DKIM knows (RFC 6376 3.3, RFC
// 8463).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.h"

struct evp_pkey_st;

namespace postwain::tls {

constexpr int kRsaBitsMin = 1024;  // RFC 8301 3.2

std::string sha256(std::string_view bytes);  // 32 octets

class SigningKey {
 public:
  static Result<SigningKey> from_pem(std::string_view pem);

  std::string_view algorithm() const;  // "rsa-sha256", "ed25519-sha256"
  Result<std::string> sign(std::string_view text) const;

 private:
  explicit SigningKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace postwain::tls
