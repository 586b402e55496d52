#include "signer/key_ring.h"

#include <fmt/format.h>

namespace postwain::signer {

Result<KeyRing> open_keys(const std::vector<config::DkimKey>& table) {
  KeyRing out;
  for (const config::DkimKey& one : table) {
    if (!one.signs) continue;
    if (out.keys.size() >= ipc::kSignerKeysMax)
      return Error{fmt::format("more than {} keys sign mail", ipc::kSignerKeysMax), 0};
    auto key = tls::SigningKey::from_pem_to_sign(one.key_pem);
    if (!key) return Error{one.key + ": " + key.error().text, 0};
    auto algorithm = key->algorithm() == "rsa-sha256" ? ipc::SigningAlgorithm::rsa_sha256
                                                      : ipc::SigningAlgorithm::ed25519_sha256;
    out.offered.keys.push_back({one.domain, one.selector, algorithm, one.subdomains});
    out.keys.push_back(key.take());
  }
  return out;
}

}  // namespace postwain::signer
