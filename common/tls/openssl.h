// Owners and errors of OpenSSL, for the files of this folder only.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace postwain::tls {

// The first error in OpenSSL's queue, which is emptied.
Error openssl_error(const std::string& what);

struct OpensslFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using BioPtr = std::unique_ptr<BIO, OpensslFree>;
using X509Ptr = std::unique_ptr<X509, OpensslFree>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpensslFree>;

// The octets of a string as OpenSSL's functions want them.
inline const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
inline unsigned char* writable_octets(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

BioPtr memory_bio(std::string_view bytes);  // reads from the caller's bytes

}  // namespace postwain::tls
