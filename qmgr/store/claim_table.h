// What nodes have claimed of limits that hold over all of them (qmgr/cluster/places.h). A claim is
// a row of the database, written under the lock of its key's row, so that the sum of all claims of
// a key is never above its limit.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "qmgr/cluster/places.h"
#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

// Octets of a key.
constexpr std::size_t kClaimKeyMax = 2048;
// Wishes of one call.
constexpr std::size_t kWishesMax = 200;

class ClaimTable {
 public:
  // How many places of this key the node is to have claimed: more or fewer than now; 0 gives all of
  // them back. The answer is that of cluster::regrant().
  struct Wish {
    std::string key;
    std::uint32_t limit = 0;
    std::uint32_t wanted = 0;
    std::uint32_t keep = 0;       // that stay in use whatever is answered
    std::uint32_t kept_free = 0;  // cluster::free_places(); 0 where every place has to be claimed
  };
  struct Owned {
    std::string key;
    cluster::Claim claim;
  };

  virtual ~ClaimTable() = default;

  // One transaction, for good; what each wish got, in their order. Keys stand there once each, and
  // at most kWishesMax of them. away: each of these claims is as it was, or as it would have been
  // answered.
  virtual StoreResult<std::vector<cluster::Claim>> claim(std::span<const Wish> wishes) = 0;
  // The node's own claims whose keys begin so, from a former life of its process, too.
  virtual StoreResult<std::vector<Owned>> owned(const std::string& prefix) = 0;
  // All of those are given back.
  virtual StoreStatus drop(const std::string& prefix) = 0;
  // Claims of nodes that are gone are removed, and what is left of keys that nobody has a claim of;
  // as much as one call should.
  virtual StoreStatus sweep() = 0;
};

}  // namespace postwain::qmgr
