#include "common/agent/signing/key_choice.h"

#include <algorithm>
#include <cstddef>

namespace postwain::agent {

namespace {

using authentication::dkim::Algorithm;

Algorithm written(ipc::SigningAlgorithm algorithm) {
  return algorithm == ipc::SigningAlgorithm::rsa_sha256 ? Algorithm::rsa_sha256
                                                        : Algorithm::ed25519_sha256;
}

}  // namespace

KeyChoice::KeyChoice(std::uint64_t generation, const std::vector<ipc::SignerKey>& keys)
    : generation_(generation) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const ipc::SignerKey& key = keys[i];
    Chosen chosen{static_cast<std::uint32_t>(i),
                  {key.domain, key.selector, written(key.algorithm)}};
    by_domain_[key.domain].push_back({std::move(chosen), key.subdomains});
  }
  for (auto& [domain, list] : by_domain_)
    std::stable_partition(list.begin(), list.end(), [](const Known& one) {
      return one.key.facts.algorithm == Algorithm::rsa_sha256;
    });
}

std::vector<KeyChoice::Chosen> KeyChoice::of_domain(const std::string& domain, bool below) const {
  std::vector<Chosen> out;
  auto found = by_domain_.find(domain);
  if (found == by_domain_.end()) return out;
  for (const Known& one : found->second)
    if ((one.subdomains || !below) && out.size() < ipc::kSignaturesMax) out.push_back(one.key);
  return out;
}

std::vector<KeyChoice::Chosen> KeyChoice::of_author(std::string_view domain) const {
  std::vector<Chosen> out = of_domain(std::string(domain), false);
  while (out.empty()) {
    std::size_t dot = domain.find('.');
    if (dot == std::string_view::npos) break;
    domain.remove_prefix(dot + 1);
    out = of_domain(std::string(domain), true);
  }
  return out;
}

std::string record_name(const authentication::dkim::KeyFacts& key) {
  return key.selector + "._domainkey." + key.domain;
}

}  // namespace postwain::agent
