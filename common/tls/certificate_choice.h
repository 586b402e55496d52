// The certificates of a server, and which of them a client gets (RFC 6066 3, RFC 6125 6.4).
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "common/tls/openssl.h"
#include "common/tls/tls.h"

namespace postwain::tls {

class CertificateChoice {
 public:
  // The first pair is the default. The error names OpenSSL's reason.
  // A context that has this one pair to show: a client's.
  static Status use_always(SSL_CTX* ctx, const Pair& pair);
  static Result<std::unique_ptr<CertificateChoice>> from(const std::vector<Pair>& pairs);

  // Every handshake of the context asks us, so we must live as long as it does.
  void serve(SSL_CTX* ctx);

 private:
  struct Loaded {
    X509Ptr leaf;
    std::vector<X509Ptr> chain;
    KeyPtr key;
  };
  static Result<Loaded> load(const Pair& pair);
  static int choose(SSL* ssl, void* choice);
  bool offer(SSL* ssl, const std::string& name) const;
  static bool use(SSL* ssl, const Loaded& one);

  std::vector<Loaded> pairs_;
};

}  // namespace postwain::tls
