// By which keys a message is signed, from the domain of its author (RFC 6376, RFC 9989 5.3.1):
// those of that very domain, else those of the nearest domain above it whose keys are for what is
// below, too. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/authentication/dkim/sign.h"
#include "common/ipc/signer_messages.h"

namespace postwain::agent {

// One list of the signer's keys (daemon::SignerPort::keys). It never changes, so that a thread may
// look into it while others do.
class KeyChoice {
 public:
  KeyChoice(std::uint64_t generation, const std::vector<ipc::SignerKey>& keys);

  std::uint64_t generation() const { return generation_; }

  struct Chosen {
    std::uint32_t number;  // of the signer
    authentication::dkim::KeyFacts facts;
  };
  // In the order in which their fields stand from the top: RSA before Ed25519, which fewer can
  // verify. At most ipc::kSignaturesMax. domain: lower case, with A-labels.
  std::vector<Chosen> of_author(std::string_view domain) const;

 private:
  std::vector<Chosen> of_domain(const std::string& domain, bool below) const;

  struct Known {
    Chosen key;
    bool subdomains;
  };
  std::uint64_t generation_;
  std::unordered_map<std::string, std::vector<Known>> by_domain_;
};

// Where the public part of a key stands: "selector._domainkey.domain".
std::string record_name(const authentication::dkim::KeyFacts& key);

}  // namespace postwain::agent
