// The DKIM signature of a report that goes by mail (RFC 8460 3 wants it).
#pragma once

#include <string>

#include "common/base/time.h"
#include "common/tls/signing_key.h"

namespace postwain::reporter {

struct Signer {
  std::string domain;
  std::string selector;
  tls::SigningKey key;
};

// The DKIM-Signature field with its CRLF, to stand in front of the content. Every field of the
// content is signed.
Result<std::string> dkim_signature(const Signer& signer, const std::string& content, WallTime now);

}  // namespace postwain::reporter
