// A private key that signs with SHA-256: RSA or Ed25519, the two that DKIM knows (RFC 6376 3.3, RFC
// 8463).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.h"

struct evp_pkey_st;

namespace postwain::tls {

// RFC 8301 3.2: no key may have less than the first; who signs should have the second at least, and
// who verifies need not know more than the third.
constexpr int kRsaBitsMin = 1024;
constexpr int kRsaBitsToSign = 2048;
constexpr int kRsaBitsToVerify = 4096;

enum class KeyKind : std::uint8_t { rsa_2048, rsa_3072, rsa_4096, ed25519 };
// A new private key as PEM (PKCS #8). RSA takes up to seconds.
Result<std::string> new_private_key(KeyKind kind);

class SigningKey {
 public:
  static Result<SigningKey> from_pem(std::string_view pem);
  // One that is to sign mail: an error also where RSA has too few bits for that, or too many.
  static Result<SigningKey> from_pem_to_sign(std::string_view pem);

  std::string_view algorithm() const;  // "rsa-sha256", "ed25519-sha256"
  int bits() const;                    // of the modulus; 256 for Ed25519
  // The public key as octets: for RSA a SubjectPublicKeyInfo (DER), for Ed25519 the 32 octets of
  // RFC 8032 5.1.5. In base64 it is the p= of a DKIM key record (RFC 6376 3.6.1, RFC 8463 4).
  std::string public_key() const;

  Result<std::string> sign(std::string_view text) const;
  // The same for a text of which only the SHA-256 hash is at hand, 32 octets: RSASSA-PKCS1-v1_5
  // over it (RFC 8017 8.2), or PureEdDSA with it as the message (RFC 8463 3).
  Result<std::string> sign_digest(std::string_view sha256_hash) const;

 private:
  explicit SigningKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace postwain::tls
