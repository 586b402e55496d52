// Client certificates, and what stands in a certificate at all.
#pragma once

#include <openssl/ssl.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/tls/openssl.h"
#include "common/tls/tls.h"

namespace postwain::tls {

std::vector<std::string> names_of(X509* certificate);  // DNS names of subjectAltName

// Asks each client for a certificate and lets the handshake pass with none or with any. Those in ca
// (PEM, may be empty) are the trust anchors.
Status ask_client_certificate(SSL_CTX* ctx, std::string_view ca);

}  // namespace postwain::tls
