#include "common/tls/signing_key.h"

#include <array>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <fmt/format.h>

namespace postwain::tls {

namespace {

// The reason alone: it stands in the sentence that `check` shows of a key.
Error key_error(std::string_view what) {
  unsigned long number = ERR_peek_error();
  const char* reason = number != 0 ? ERR_reason_error_string(number) : nullptr;
  ERR_clear_error();
  return Error{fmt::format("{}: {}", what, reason != nullptr ? reason : "not possible")};
}

// A key behind a passphrase is an error, not a question on the terminal.
int no_passphrase(char*, int, int, void*) noexcept {
  return -1;
}

}  // namespace

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Result<SigningKey> SigningKey::from_pem(std::string_view pem) {
  ERR_clear_error();
  std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                          BIO_free);
  std::shared_ptr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr),
                                EVP_PKEY_free);
  if (key == nullptr) return key_error("private key");
  int kind = EVP_PKEY_get_base_id(key.get());
  if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_ED25519)
    return Error{"private key: it is neither RSA nor Ed25519"};
  if (kind == EVP_PKEY_RSA && EVP_PKEY_get_bits(key.get()) < kRsaBitsMin)
    return Error{fmt::format("private key: RSA with less than {} bits", kRsaBitsMin)};
  return SigningKey(std::move(key));
}

std::string_view SigningKey::algorithm() const {
  return EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA ? "rsa-sha256" : "ed25519-sha256";
}

// RFC 8463 3: Ed25519 signs the hash of the text, as RSA does.
Result<std::string> SigningKey::sign(std::string_view text) const {
  ERR_clear_error();
  bool rsa = EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA;
  std::string hash = sha256(text);
  std::string_view input = rsa ? text : std::string_view(hash);
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key_.get()));
  std::string out(size, '\0');
  bool done =
      EVP_DigestSignInit(context.get(), nullptr, rsa ? EVP_sha256() : nullptr, nullptr,
                         key_.get()) == 1 &&
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                     reinterpret_cast<const unsigned char*>(input.data()), input.size()) == 1;
  if (!done) return key_error("signing");
  out.resize(size);
  return out;
}

}  // namespace postwain::tls
