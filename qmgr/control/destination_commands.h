// Commands about destinations: where mail goes and what holds it there, and suspensions.
#pragma once

#include <cstddef>

#include "qmgr/control/json/command_json.h"
#include "qmgr/control/operator_peers.h"
#include "qmgr/control/queue_view.h"
#include "qmgr/dispatch/delivery.h"
#include "qmgr/queue/queue.h"
#include "qmgr/routing/suspend_scope.h"

namespace postwain::qmgr {

constexpr std::size_t kDestinationKeyMax = 4000;  // octets
constexpr std::size_t kAuthorMax = 256;
constexpr std::size_t kReasonMax = 1024;

class DestinationCommands {
 public:
  DestinationCommands(Queue& queue, const Delivery& delivery, OperatorPeers& peers,
                      const QueueView& view)
      : queue_(queue), delivery_(delivery), peers_(peers), view_(view) {}

  void destinations(Asker asker);
  void suspend(Asker asker, const Command& command);
  void resume(Asker asker, const Command& command);
  // Of an address: where its mail goes at the moment, and what holds it there.
  void way(Asker asker, const Command& command);

 private:
  SuspendScopes scopes() const;
  // False: the command names no destination, and has been refused.
  bool names_destination(Asker asker, const Command& command);

  Queue& queue_;
  const Delivery& delivery_;
  OperatorPeers& peers_;
  const QueueView& view_;
};

}  // namespace postwain::qmgr
