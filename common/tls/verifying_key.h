// A public key that checks signatures over a SHA-256 hash: RSA or Ed25519, the two that DKIM knows
// (RFC 6376 3.3, RFC 8463). Its octets come from strangers' DNS records.
#pragma once

#include <memory>
#include <string_view>

#include "common/base/result.h"

struct evp_pkey_st;

namespace postwain::tls {

// Longer exponents make a check as slow as a signature; nobody uses them.
constexpr int kRsaExponentBitsMax = 64;

class VerifyingKey {
 public:
  // der: a SubjectPublicKeyInfo (RFC 5280 4.1.2.7) or a bare RSAPublicKey (RFC 8017 A.1.1), as
  // both stand in records, and nothing behind it.
  static Result<VerifyingKey> rsa(std::string_view der);
  // octets: the 32 of RFC 8032 5.1.5.
  static Result<VerifyingKey> ed25519(std::string_view octets);

  bool is_rsa() const;
  int bits() const;  // of the modulus; 256 for Ed25519
  // Whether that is a signature over the hash: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 8.2), or
  // PureEdDSA with the 32 octets of the hash as its message (RFC 8463 3).
  bool verifies(std::string_view sha256_hash, std::string_view signature) const;
  // Whether they are one key, however it was written.
  bool is_same(const VerifyingKey& other) const;

 private:
  explicit VerifyingKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace postwain::tls
