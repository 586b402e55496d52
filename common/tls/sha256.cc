#include "common/tls/sha256.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "common/base/check.h"
#include "common/tls/openssl.h"

namespace postwain::tls {

std::string sha256(std::string_view bytes) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  SHA256(octets(bytes), bytes.size(), writable_octets(out));
  return out;
}

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  PW_CHECK(context_ != nullptr);
  PW_CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

void Sha256::take(std::string_view piece) {
  PW_CHECK(EVP_DigestUpdate(context_.get(), piece.data(), piece.size()) == 1);
}

Sha256 Sha256::copy() const {
  Sha256 out;
  PW_CHECK(EVP_MD_CTX_copy_ex(out.context_.get(), context_.get()) == 1);
  return out;
}

std::string Sha256::finish() {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  PW_CHECK(EVP_DigestFinal_ex(context_.get(), writable_octets(out), nullptr) == 1);
  return out;
}

}  // namespace postwain::tls
