// Numbers: the status of qmgr and of the processes beside it, and `queue stats`, the whole queue by
// domain and age.
//
// For the count by domain the store is walked in small pieces between its other work, so no commit
// waits for more than one of them.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "qmgr/control/json/command_json.h"
#include "qmgr/control/json/status_json.h"
#include "qmgr/control/operator_peers.h"
#include "qmgr/control/queue_view.h"
#include "qmgr/dispatch/delivery.h"
#include "qmgr/nodes/cluster_port.h"
#include "qmgr/queue/queue.h"

namespace postwain::qmgr {

constexpr std::size_t kSurveyRows = 5000;  // looked at in one go
constexpr std::size_t kStatsDestinations = 100;
constexpr std::size_t kInDoubtCounted = 100'000;  // not further

// What is known of the processes that qmgr links others with, and of other nodes; null: nothing.
struct Boards {
  const FilterBoard* filters = nullptr;
  const SignerBoard* signer = nullptr;
  const ReporterBoard* reporter = nullptr;
  const ClusterPort* cluster = nullptr;
};

class StatusCommands {
 public:
  StatusCommands(Queue& queue, const Delivery& delivery, OperatorPeers& peers,
                 const QueueView& view, std::function<ipc::Admission()> admission,
                 Boards boards = {});

  void status(Asker asker) { peers_.reply(asker, json_status(now())); }
  void stats(Asker asker);
  // What the supervisor tells stays until it tells again. Before that qmgr knows itself only.
  void processes(Asker asker, const Command& command);

  QueueStatus now() const;
  // The page for Prometheus.
  std::string metrics() const;

 private:
  struct Survey;
  void next_window(const std::shared_ptr<Survey>& survey);

  Queue& queue_;
  const Delivery& delivery_;
  OperatorPeers& peers_;
  const QueueView& view_;
  std::function<ipc::Admission()> admission_;
  Boards boards_;
  SupervisorReport report_;
};

}  // namespace postwain::qmgr
