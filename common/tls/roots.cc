#include "common/tls/roots.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include "common/tls/openssl.h"

namespace postwain::tls {

namespace {

// The system's roots of trust, read once and shared by all contexts: they take most of a megabyte.
X509_STORE* system_trust() {
  static X509_STORE* const store = [] {
    X509_STORE* made = X509_STORE_new();
    bool read = made != nullptr && X509_STORE_set_default_paths(made) == 1;
    if (!read) X509_STORE_free(made);
    return read ? made : nullptr;
  }();
  return store;
}

// Behind the last certificate OpenSSL looks for another one and says that there is none; any other
// error is one of a certificate that is there.
bool was_the_end() {
  unsigned long error = ERR_peek_last_error();
  bool end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (end) ERR_clear_error();
  return end;
}

}  // namespace

Status trust_roots(SSL_CTX* ctx, std::string_view pem) {
  if (pem.empty()) {
    X509_STORE* trust = system_trust();
    if (trust == nullptr) return openssl_error("system trust store");
    SSL_CTX_set1_cert_store(ctx, trust);
    return {};
  }
  BioPtr bytes = memory_bio(pem);
  bool any = false;
  ERR_clear_error();
  while (X509* one = PEM_read_bio_X509(bytes.get(), nullptr, nullptr, nullptr)) {
    X509Ptr root(one);
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), one) != 1)
      return openssl_error("roots of trust");
    any = true;
  }
  if (!was_the_end()) return openssl_error("roots of trust");
  return any ? Status() : Status(Error{"roots of trust: no certificate in PEM is there"});
}

}  // namespace postwain::tls
