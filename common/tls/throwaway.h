// A certificate that is used once and by nobody but ourselves: for trying a handshake out.
#pragma once

#include <string>

#include "common/base/result.h"

namespace postwain::tls {

struct PairText {
  std::string certificate;  // PEM
  std::string key;
};

// Signed by its own new key (ECDSA, P-256), good for an hour.
Result<PairText> throwaway_pair(const std::string& host);

}  // namespace postwain::tls
