// Limits of connections that hold over all nodes (qmgr/cluster/place_shares.h): behind each beat
// the ledger of connections is asked what it has and wants, and told how much of it this node may
// have. Claims are made by the keeper, one transaction at a time. All of it on the loop.
#pragma once

#include <cstdint>
#include <string>

#include "qmgr/cluster/place_shares.h"
#include "qmgr/dispatch/connection_leaves.h"
#include "qmgr/model/cluster_view.h"
#include "qmgr/store/beat_service.h"
#include "qmgr/store/keeper_service.h"
#include "qmgr/store/shared_queue.h"

namespace postwain::qmgr {

class SharedPlaces {
 public:
  // Before the first beat is answered no connection under a limit is given. Both outlive it.
  SharedPlaces(KeeperService& keeper, ConnectionLeaves& leaves, const SharedQueue::Self& self);
  SharedPlaces(const SharedPlaces&) = delete;
  SharedPlaces& operator=(const SharedPlaces&) = delete;

  void fill_in(BeatOrder& order) const;
  void beat_answered(const BeatAnswer& answer);
  // Places of limits that others share are used, so the node does not leave yet.
  bool are_used() const;

  void describe(ClusterView& view) const;

 private:
  void look(bool ask);
  void ask(const std::vector<cluster::PlaceShares::Wish>& wishes);
  void find_owned();
  void drop_owned();
  void sweep();

  KeeperService& keeper_;
  ConnectionLeaves& leaves_;
  cluster::PlaceShares shares_;
  bool tidying_ = false;  // owned claims are looked for, or dropped
  MonoTime swept_{};
};

}  // namespace postwain::qmgr
