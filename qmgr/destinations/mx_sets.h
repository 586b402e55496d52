// Which hosts the delivery clients found behind a destination that is routed by MX. Destinations
// with the same hosts share what is known of these (scheduler.h). Kept in the store, for two
// months.
#pragma once

#include <string>
#include <unordered_map>

#include "qmgr/shared/queue_core.h"

namespace postwain::qmgr {

constexpr std::size_t kMxSetsKnown = 20000;  // destinations whose hosts are remembered

class MxSets {
 public:
  explicit MxSets(QueueCore& core) : core_(core) {}

  // From the store, at the start. False: no more are remembered.
  bool restore(KnownMxSet known);
  // All are restored: what nobody has seen for long is forgotten.
  void forget_old();
  // A client found these hosts. What is no set of hosts, or belongs to no domain, is left out.
  void note(DestinationId id, const std::string& mx_set);
  // A destination came to the scheduler: its hosts are told where they are known.
  void recall(DestinationId id, const std::string& key);

 private:
  QueueCore& core_;
  std::unordered_map<std::string, std::string> hosts_;  // by destination
};

}  // namespace postwain::qmgr
