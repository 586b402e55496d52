// The keys that sign, opened, and what others are told of them.
#pragma once

#include <vector>

#include "common/base/result.h"
#include "common/config/table/dkim_key.h"
#include "common/ipc/signer_messages.h"
#include "common/tls/signing_key.h"

namespace postwain::signer {

// The two lists go together, place by place.
struct KeyRing {
  ipc::SignerKeys offered;
  std::vector<tls::SigningKey> keys;
};

// Those with signs = true, in their order. An error names the file of the key that is none.
Result<KeyRing> open_keys(const std::vector<config::DkimKey>& table);

}  // namespace postwain::signer
