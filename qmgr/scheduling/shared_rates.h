// Rates that hold over several nodes, as the scheduler and the ledger of connections see them
// (qmgr/nodes/shared_paces.h is the implementation). Keys are theirs; the same key means the same
// thing on every node.
#pragma once

#include <optional>
#include <string>

#include "common/base/time.h"
#include "qmgr/cluster/pace.h"

namespace postwain::qmgr {

class SharedRates {
 public:
  virtual ~SharedRates() = default;

  // False: no other node is there, and each counts by himself as on one machine.
  virtual bool is_shared() const = 0;
  // For how long this node has to wait for its next step of that key; zero: not at all. Nothing:
  // not known yet; it is asked for, and whoever asked is told when it may be known. burst: for how
  // much unused time steps may be taken afterwards. A rate that is not that of the last call counts
  // for what is asked for from then on. key: 1 to kPaceKeyMax octets (qmgr/store/pace_table.h).
  virtual std::optional<Duration> wait(const std::string& key, const cluster::Rate& rate,
                                       Duration burst) = 0;
  // One step is used, which wait() said is due.
  virtual void take(const std::string& key) = 0;
};

}  // namespace postwain::qmgr
