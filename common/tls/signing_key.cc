#include "common/tls/signing_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <utility>

#include <fmt/format.h>

#include "common/base/check.h"
#include "common/tls/openssl.h"
#include "common/tls/sha256.h"

namespace postwain::tls {

namespace {

struct FreeSigning {
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(unsigned char* text) const { OPENSSL_free(text); }
};

// The reason alone: it stands in the sentence that `check` shows of a key.
Error key_error(std::string_view what) {
  unsigned long number = ERR_peek_error();
  const char* reason = number != 0 ? ERR_reason_error_string(number) : nullptr;
  ERR_clear_error();
  return Error{fmt::format("{}: {}", what, reason != nullptr ? reason : "not possible")};
}

// A key behind a passphrase is an error, not a question on the terminal. asked: a bool.
int no_passphrase(char*, int, int, void* asked) noexcept {
  *static_cast<bool*>(asked) = true;
  return -1;
}

// The library names the step at which it gave up; what people have done is one of these, mostly.
Error no_private_key(std::string_view pem, bool encrypted) {
  bool there_is = pem.find("PRIVATE KEY-----") != std::string_view::npos;
  Error of_library = key_error("private key");
  if (encrypted) return Error{"private key: it is encrypted; take the passphrase off"};
  return there_is ? of_library : Error{"there is no private key in it"};
}

bool rsa_signs(EVP_PKEY* key, std::string_view hash, std::string& out) {
  std::unique_ptr<EVP_PKEY_CTX, FreeSigning> context(EVP_PKEY_CTX_new(key, nullptr));
  std::size_t size = out.size();
  bool done =
      context != nullptr && EVP_PKEY_sign_init(context.get()) == 1 &&
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1 &&
      EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1 &&
      EVP_PKEY_sign(context.get(), writable_octets(out), &size, octets(hash), hash.size()) == 1;
  out.resize(done ? size : 0);
  return done;
}

bool ed25519_signs(EVP_PKEY* key, std::string_view hash, std::string& out) {
  std::unique_ptr<EVP_MD_CTX, FreeSigning> context(EVP_MD_CTX_new());
  std::size_t size = out.size();
  bool done =
      context != nullptr &&
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
      EVP_DigestSign(context.get(), writable_octets(out), &size, octets(hash), hash.size()) == 1;
  out.resize(done ? size : 0);
  return done;
}

bool is_rsa(const EVP_PKEY* key) {
  return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
}

KeyPtr generated(KeyKind kind) {
  switch (kind) {
    case KeyKind::rsa_2048:
      return KeyPtr(EVP_RSA_gen(2048));
    case KeyKind::rsa_3072:
      return KeyPtr(EVP_RSA_gen(3072));
    case KeyKind::rsa_4096:
      return KeyPtr(EVP_RSA_gen(4096));
    case KeyKind::ed25519:
      break;
  }
  return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
}

}  // namespace

Result<std::string> new_private_key(KeyKind kind) {
  ERR_clear_error();
  KeyPtr key = generated(kind);
  BioPtr bio(BIO_new(BIO_s_mem()));
  bool made = key != nullptr && bio != nullptr &&
              PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                            nullptr) == 1;
  if (!made) return key_error("new private key");
  char* data = nullptr;
  long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

Result<SigningKey> SigningKey::from_pem(std::string_view pem) {
  ERR_clear_error();
  BioPtr bio = memory_bio(pem);
  bool encrypted = false;
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, &encrypted));
  if (key == nullptr) return no_private_key(pem, encrypted);
  int kind = EVP_PKEY_get_base_id(key.get());
  if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_ED25519)
    return Error{"private key: it is neither RSA nor Ed25519"};
  if (kind == EVP_PKEY_RSA && EVP_PKEY_get_bits(key.get()) < kRsaBitsMin)
    return Error{fmt::format("private key: RSA with less than {} bits", kRsaBitsMin)};
  return SigningKey(std::move(key));
}

Result<SigningKey> SigningKey::from_pem_to_sign(std::string_view pem) {
  auto key = from_pem(pem);
  if (!key || !is_rsa(key->key_.get())) return key;
  if (key->bits() < kRsaBitsToSign)
    return Error{fmt::format("private key: RSA with {} bits; to sign mail it needs {} (RFC 8301)",
                             key->bits(), kRsaBitsToSign)};
  if (key->bits() > kRsaBitsToVerify)
    return Error{
        fmt::format("private key: RSA with {} bits; who verifies need not know more than "
                    "{} (RFC 8301)",
                    key->bits(), kRsaBitsToVerify)};
  return key;
}

std::string_view SigningKey::algorithm() const {
  return is_rsa(key_.get()) ? "rsa-sha256" : "ed25519-sha256";
}

int SigningKey::bits() const {
  return is_rsa(key_.get()) ? EVP_PKEY_get_bits(key_.get()) : 256;
}

std::string SigningKey::public_key() const {
  if (is_rsa(key_.get())) {
    unsigned char* der = nullptr;
    int size = i2d_PUBKEY(key_.get(), &der);
    PW_CHECK(size > 0);
    std::unique_ptr<unsigned char, FreeSigning> owner(der);
    return {reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)};
  }
  std::string out(32, '\0');
  std::size_t size = out.size();
  PW_CHECK(EVP_PKEY_get_raw_public_key(key_.get(), writable_octets(out), &size) == 1);
  return out;
}

Result<std::string> SigningKey::sign(std::string_view text) const {
  return sign_digest(sha256(text));
}

Result<std::string> SigningKey::sign_digest(std::string_view sha256_hash) const {
  ERR_clear_error();
  std::string out(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())), '\0');
  bool done = is_rsa(key_.get()) ? rsa_signs(key_.get(), sha256_hash, out)
                                 : ed25519_signs(key_.get(), sha256_hash, out);
  if (!done) return key_error("signing");
  return out;
}

}  // namespace postwain::tls
