// Whom a client certificate makes its holder. The TLS handshake has proven that the client has the
// key; what the certificate says counts only when client_ca vouches for it, what a fingerprint says
// always does. Pure.
#pragma once

#include <string>
#include <vector>

#include "common/config/table/access.h"
#include "common/config/table/auth.h"
#include "common/config/table/network.h"
#include "common/tls/tls.h"

namespace postwain::smtpd {

// The accounts of [[auth.certificate]] in their order, then those of certificate_name; each once.
std::vector<std::string> accounts_of(const config::Auth& auth,
                                     const tls::PeerCertificate& certificate);
// Null: not one of trusted_certificates.
const config::Fingerprint* trusted_as(const config::Access& access,
                                      const tls::PeerCertificate& certificate);

}  // namespace postwain::smtpd
