// The hashes of a body that signatures want (RFC 6376 3.7), made in one pass over it. Signatures
// that want the same share one, and each form of the body is made once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/dkim/canonical.h"
#include "common/tls/sha256.h"

namespace postwain::authentication::dkim {

struct BodyWish {
  Canonical form = Canonical::simple;
  std::optional<std::uint64_t> limit{};  // so many octets of the form, at most (l=)
  bool operator==(const BodyWish&) const = default;
};

class BodyHashes {
 public:
  // The number by which the hash is asked for; equal wishes get the same. Before the first take().
  std::size_t want(const BodyWish& wish);
  // The body behind the empty line, cut anywhere.
  void take(std::string_view piece);
  // Once; nothing follows.
  void end();
  bool ended() const { return ended_; }

  // After end(): the 32 octets, and how long the form of the whole body is.
  const std::string& hash(std::size_t number) const { return wishes_[number].hash; }
  std::uint64_t octets(std::size_t number) const;

 private:
  struct Wished {
    BodyWish wish;
    std::uint64_t left = 0;
    tls::Sha256 sum{};
    std::string hash{};
  };

  CanonicalBody::Emit sink(Canonical form);

  std::vector<CanonicalBody> forms_;  // those that are wanted, two at most
  std::vector<Wished> wishes_;
  bool ended_ = false;
};

}  // namespace postwain::authentication::dkim
