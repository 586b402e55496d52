#include "common/tls/certificate_choice.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "common/tls/peer_certificate.h"

namespace postwain::tls {

Result<CertificateChoice::Loaded> CertificateChoice::load(const Pair& pair) {
  Loaded out;
  BioPtr chain = memory_bio(pair.certificate);
  out.leaf.reset(PEM_read_bio_X509_AUX(chain.get(), nullptr, nullptr, nullptr));
  if (out.leaf == nullptr) return openssl_error("certificate");
  while (X509* issuer = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr))
    out.chain.emplace_back(issuer);
  ERR_clear_error();  // the end of the chain is reported as an error
  BioPtr key = memory_bio(pair.key);
  // Never asked for a passphrase: nobody is there to answer.
  auto no_passphrase = [](char*, int, int, void*) { return -1; };
  out.key.reset(PEM_read_bio_PrivateKey(key.get(), nullptr, no_passphrase, nullptr));
  if (out.key == nullptr) return openssl_error("key");
  if (X509_check_private_key(out.leaf.get(), out.key.get()) != 1)
    return openssl_error("key does not belong to the certificate");
  return out;
}

Result<std::unique_ptr<CertificateChoice>> CertificateChoice::from(const std::vector<Pair>& pairs) {
  auto out = std::make_unique<CertificateChoice>();
  for (const Pair& pair : pairs) {
    auto loaded = load(pair);
    if (!loaded) return loaded.error();
    out->pairs_.push_back(loaded.take());
  }
  if (out->pairs_.empty()) return Error{"no certificate"};
  return out;
}

// In the context itself only the default stands: what OpenSSL needs before a client is there.
void CertificateChoice::serve(SSL_CTX* ctx) {
  SSL_CTX_use_certificate(ctx, pairs_.front().leaf.get());
  SSL_CTX_use_PrivateKey(ctx, pairs_.front().key.get());
  SSL_CTX_set_cert_cb(ctx, choose, this);
}

Status CertificateChoice::use_always(SSL_CTX* ctx, const Pair& pair) {
  auto loaded = load(pair);
  if (!loaded) return loaded.error();
  STACK_OF(X509)* chain = sk_X509_new_null();
  for (const X509Ptr& issuer : loaded->chain) sk_X509_push(chain, issuer.get());
  int used = SSL_CTX_use_cert_and_key(ctx, loaded->leaf.get(), loaded->key.get(), chain, 1);
  sk_X509_free(chain);
  if (used != 1) return openssl_error("certificate");
  return {};
}

bool CertificateChoice::use(SSL* ssl, const Loaded& one) {
  STACK_OF(X509)* chain = sk_X509_new_null();
  for (const X509Ptr& issuer : one.chain) sk_X509_push(chain, issuer.get());
  int used = SSL_use_cert_and_key(ssl, one.leaf.get(), one.key.get(), chain, 1);
  sk_X509_free(chain);  // its certificates are counted references
  return used == 1;
}

// One of each kind of key at most: the first that stands in the configuration.
bool CertificateChoice::offer(SSL* ssl, const std::string& name) const {
  std::vector<int> kinds;
  for (const Loaded& one : pairs_) {
    if (X509_check_host(one.leaf.get(), name.data(), name.size(),
                        X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) != 1)
      continue;
    int kind = EVP_PKEY_base_id(one.key.get());
    if (std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) continue;
    if (use(ssl, one)) kinds.push_back(kind);
  }
  return !kinds.empty();
}

int CertificateChoice::choose(SSL* ssl, void* choice) {
  const auto& self = *static_cast<const CertificateChoice*>(choice);
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  SSL_certs_clear(ssl);
  bool found = name != nullptr && self.offer(ssl, name);
  if (!found) {
    // Whoever shares the default's first name stands beside it, with another kind of key.
    auto facts = names_of(self.pairs_.front().leaf.get());
    found = !facts.empty() && self.offer(ssl, facts.front());
  }
  if (!found) found = use(ssl, self.pairs_.front());
  ERR_clear_error();
  return found ? 1 : 0;
}

}  // namespace postwain::tls
