#include "common/tls/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "common/base/check.h"
#include "common/tls/openssl.h"

namespace postwain::tls {

namespace {

constexpr std::size_t kSize = SHA256_DIGEST_LENGTH;

std::string hmac(const EVP_MD* kind, std::string_view key, std::string_view text) {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  PW_CHECK(HMAC(kind, key.data(), static_cast<int>(key.size()), octets(text), text.size(),
                writable_octets(out), &size) != nullptr);
  out.resize(size);
  return out;
}

class OpensslDigest final : public sasl::Digest {
 public:
  std::string sha256(std::string_view text) const override {
    std::string out(kSize, '\0');
    SHA256(octets(text), text.size(), writable_octets(out));
    return out;
  }
  std::string hmac_sha256(std::string_view key, std::string_view text) const override {
    return hmac(EVP_sha256(), key, text);
  }
  std::string hmac_md5(std::string_view key, std::string_view text) const override {
    return hmac(EVP_md5(), key, text);
  }
  std::string pbkdf2_sha256(std::string_view password, std::string_view salt,
                            std::uint32_t iterations) const override {
    return tls::pbkdf2_sha256(password, salt, iterations);
  }
};

}  // namespace

const sasl::Digest& digest() {
  static const OpensslDigest instance;
  return instance;
}

std::string pbkdf2_sha256(std::string_view password, std::string_view salt,
                          std::uint32_t iterations) {
  std::string out(kSize, '\0');
  int made = PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), octets(salt),
                               static_cast<int>(salt.size()), static_cast<int>(iterations),
                               EVP_sha256(), kSize, writable_octets(out));
  PW_CHECK(made == 1);
  return out;
}

std::string hmac_sha1(std::string_view key, std::string_view text) {
  return hmac(EVP_sha1(), key, text);
}

std::string random_octets(std::size_t count) {
  std::string out(count, '\0');
  PW_CHECK(RAND_bytes(writable_octets(out), static_cast<int>(count)) == 1);
  return out;
}

}  // namespace postwain::tls
