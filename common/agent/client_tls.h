// The TLS contexts of delivery, by what the peer has to show: nothing, a certificate, one that is
// looked at and may be wrong, or what TLSA records say.
#pragma once

#include <memory>

#include "common/base/result.h"
#include "common/mail/transport.h"
#include "common/tls/tls.h"

namespace postwain::agent {

struct ClientTls {
  std::shared_ptr<tls::Context> unverified;
  std::shared_ptr<tls::Context> verified;
  std::shared_ptr<tls::Context> watched;  // its session tells what is wrong (Session::peer_fault)
  std::shared_ptr<tls::Context> dane;

  // With the certificate we show, if any; fails when it cannot be used.
  static Result<ClientTls> make(const mail::ClientCertificate& certificate);
};

}  // namespace postwain::agent
