#include "qmgr/peers/peer_places.h"

namespace postwain::qmgr {

bool PeerPlaces::enter(std::uint32_t uid) {
  if (all_ >= kPeersMax) return false;
  if (!is_ours(uid)) {
    std::size_t& own = by_user_[uid];
    if (own >= kPeersOfAUser || others_ >= kPeersOfOthers) {
      if (own == 0) by_user_.erase(uid);
      return false;
    }
    ++own;
    ++others_;
  }
  ++all_;
  return true;
}

void PeerPlaces::leave(std::uint32_t uid) {
  --all_;
  auto found = by_user_.find(uid);
  if (found == by_user_.end()) return;
  --others_;
  if (--found->second == 0) by_user_.erase(found);
}

}  // namespace postwain::qmgr
