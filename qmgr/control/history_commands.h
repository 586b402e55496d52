// What became of messages: `trace` asks the history, where several nodes share the queue what the
// others have told, too, and then the queue for what is still in it; `watch` shows events as they
// happen. Nothing waits for a slow reader.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "qmgr/control/json/command_json.h"
#include "qmgr/control/operator_peers.h"
#include "qmgr/control/queue_view.h"
#include "qmgr/history/block_reader.h"
#include "qmgr/history/recorder.h"
#include "qmgr/nodes/cluster_port.h"
#include "qmgr/queue/queue.h"

namespace postwain::qmgr {

class HistoryCommands {
 public:
  // others: what other nodes have told; null where the queue is one machine's. cluster: the same.
  HistoryCommands(Queue& queue, OperatorPeers& peers, const QueueView& view, BlockReader* others,
                  const ClusterPort* cluster)
      : queue_(queue), peers_(peers), view_(view), others_(others), cluster_(cluster) {}

  void trace(Asker asker, const Command& command);
  // Has no end but that of the connection.
  void watch(Asker asker, const Command& command);
  void lost(std::uint64_t peer);

 private:
  struct Found;
  using FoundPtr = std::shared_ptr<Found>;
  // Its connection gets the events that fit, and is told how many did not.
  struct Watcher {
    std::uint64_t request;
    ListFilter filter;
    std::vector<std::string> events;  // empty: all
    std::uint64_t dropped = 0;
  };

  void trace_elsewhere(Asker asker, const Command& command, const FoundPtr& found);
  void trace_queue(Asker asker, const Command& command, const FoundPtr& found);
  void trace_refused(Asker asker, const Command& command, const FoundPtr& found);
  std::string owner_of(mail::QueueId id) const;
  void tell_found(Asker asker, const Found& found);
  static void look_into_queue(QueueStore& store, const std::string& query, Found& found);
  void show_live(const Recorder::Live& live);

  Queue& queue_;
  OperatorPeers& peers_;
  const QueueView& view_;
  BlockReader* others_;
  const ClusterPort* cluster_;
  std::map<std::uint64_t, Watcher> watchers_;  // by peer
};

}  // namespace postwain::qmgr
