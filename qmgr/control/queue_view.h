// What is known of the queue in memory only, for the answers to operators: which attempts run, why
// a recipient waits, what the schedule knows of destinations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/mail/address.h"

#include "qmgr/control/json/queue_json.h"
#include "qmgr/nodes/cluster_port.h"
#include "qmgr/queue/queue.h"

namespace postwain::qmgr {

constexpr std::size_t kListDestinations = 10000;

class QueueView {
 public:
  // standstill: why nothing at all is tried; empty: it is. It may be null. cluster: null where the
  // queue is one machine's.
  QueueView(Queue& queue, std::function<std::string()> standstill, const ClusterPort* cluster)
      : queue_(queue), standstill_(std::move(standstill)), cluster_(cluster) {}

  std::string standstill() const { return standstill_ ? standstill_() : std::string(); }
  bool is_active(mail::QueueId id, std::uint32_t index) const {
    return queue_.operator_actions().is_active(id, index);
  }
  // In their order. Attempts run only for what is in memory.
  std::vector<mail::QueueId> active_messages() const;
  // The key of the destination to which a message for this recipient goes at the moment.
  std::string destination_of(const mail::Address& recipient, const MessageInfo& info) const;
  Routed route_of(const mail::Address& recipient, const MessageInfo& info) const;
  // Nothing: he waits for his own time, or is held.
  std::optional<Wait> wait_of(const MessageInfo& info, const StoredRecipient& row,
                              WallTime now) const;
  // The same for the JSON of rows, as it is now. It must not outlive this view.
  RowView row_view() const;
  // Leaves those recipients that wait for a reason with these words, or whose last reply has them.
  // Without words all of them.
  void keep_reason(StoredMessage& part, const std::string& words) const;
  // Those with the most queued first. What was split off for a suspended domain is one, by the name
  // of the suspension.
  std::vector<DestinationReport> destinations(std::size_t limit) const;

 private:
  Queue& queue_;
  std::function<std::string()> standstill_;
  const ClusterPort* cluster_;
};

}  // namespace postwain::qmgr
