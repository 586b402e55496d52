// Whom the certificates of servers must lead to.
#pragma once

#include <openssl/ssl.h>

#include <string_view>

#include "common/base/result.h"

namespace postwain::tls {

// Certificates in PEM become the roots of trust of this context; with none, those of the system do.
// Fails when there is no certificate among the bytes, or one of them cannot be read.
Status trust_roots(SSL_CTX* ctx, std::string_view pem);

}  // namespace postwain::tls
