#include "common/tls/verifying_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <utility>

#include "common/tls/openssl.h"

namespace postwain::tls {

namespace {

struct FreeContexts {
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIGNUM* number) const { BN_free(number); }
};

using DerReader = EVP_PKEY* (*)(const unsigned char** at, long size);

// Null unless the whole text is a key.
KeyPtr key_of_der(std::string_view der, DerReader read) {
  const unsigned char* at = octets(der);
  KeyPtr key(read(&at, static_cast<long>(der.size())));
  if (key != nullptr && at != octets(der) + der.size()) key.reset();
  return key;
}

bool has_usual_exponent(const EVP_PKEY* key) {
  BIGNUM* read = nullptr;
  if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &read) != 1) return false;
  std::unique_ptr<BIGNUM, FreeContexts> exponent(read);
  return BN_is_odd(read) && !BN_is_one(read) && BN_num_bits(read) <= kRsaExponentBitsMax;
}

bool rsa_verifies(EVP_PKEY* key, std::string_view hash, std::string_view signature) {
  std::unique_ptr<EVP_PKEY_CTX, FreeContexts> context(EVP_PKEY_CTX_new(key, nullptr));
  return context != nullptr && EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1 &&
         EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1 &&
         EVP_PKEY_verify(context.get(), octets(signature), signature.size(), octets(hash),
                         hash.size()) == 1;
}

bool ed25519_verifies(EVP_PKEY* key, std::string_view hash, std::string_view signature) {
  std::unique_ptr<EVP_MD_CTX, FreeContexts> context(EVP_MD_CTX_new());
  return context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(hash),
                          hash.size()) == 1;
}

}  // namespace

Result<VerifyingKey> VerifyingKey::rsa(std::string_view der) {
  KeyPtr key = key_of_der(
      der, [](const unsigned char** at, long size) { return d2i_PUBKEY(nullptr, at, size); });
  if (key == nullptr) {
    key = key_of_der(der, [](const unsigned char** at, long size) {
      return d2i_PublicKey(EVP_PKEY_RSA, nullptr, at, size);
    });
  }
  ERR_clear_error();
  if (key == nullptr || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA)
    return Error{"it is no RSA key"};
  if (!has_usual_exponent(key.get())) return Error{"the exponent of the RSA key is not usual"};
  return VerifyingKey(std::move(key));
}

Result<VerifyingKey> VerifyingKey::ed25519(std::string_view text) {
  KeyPtr key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets(text), text.size()));
  ERR_clear_error();
  if (key == nullptr) return Error{"it is no Ed25519 key of 32 octets"};
  return VerifyingKey(std::move(key));
}

bool VerifyingKey::is_rsa() const {
  return EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA;
}

int VerifyingKey::bits() const {
  return is_rsa() ? EVP_PKEY_get_bits(key_.get()) : 256;
}

bool VerifyingKey::verifies(std::string_view sha256_hash, std::string_view signature) const {
  bool good = is_rsa() ? rsa_verifies(key_.get(), sha256_hash, signature)
                       : ed25519_verifies(key_.get(), sha256_hash, signature);
  ERR_clear_error();
  return good;
}

bool VerifyingKey::is_same(const VerifyingKey& other) const {
  return EVP_PKEY_eq(key_.get(), other.key_.get()) == 1;
}

}  // namespace postwain::tls
