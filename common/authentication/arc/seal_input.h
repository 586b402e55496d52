// What seals are made of (RFC 8617 5.1.1): the sets from the first one on, each in the order
// results, message signature, seal, all in the relaxed form.
#pragma once

#include <string>
#include <string_view>

#include "common/tls/sha256.h"

namespace postwain::authentication::arc {

struct SetTexts {
  std::string_view results;
  std::string_view message;
  std::string_view seal;
};

class SealInput {
 public:
  // The hash for the seal of the next set. own: the seal without its signature
  // (dkim::without_signature()). Of texts the seal is not used.
  std::string hash_for(const SetTexts& texts, std::string_view own) const;
  // The set is in front of those that follow.
  void add(const SetTexts& texts);

 private:
  tls::Sha256 before_;  // of the sets so far
};

}  // namespace postwain::authentication::arc
