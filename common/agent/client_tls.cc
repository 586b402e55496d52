#include "common/agent/client_tls.h"

namespace postwain::agent {

Result<ClientTls> ClientTls::make(const mail::ClientCertificate& certificate) {
  ClientTls out;
  struct Kind {
    std::shared_ptr<tls::Context>& into;
    tls::PeerProof proof;
  };
  for (Kind kind :
       {Kind{out.unverified, tls::PeerProof::none}, Kind{out.verified, tls::PeerProof::required},
        Kind{out.watched, tls::PeerProof::watched}, Kind{out.dane, tls::PeerProof::dane}}) {
    auto context = tls::Context::client({kind.proof, {certificate.chain, certificate.key}});
    if (!context) return context.error();
    kind.into = context.take();
  }
  return out;
}

}  // namespace postwain::agent
