// The command server: takes the requests of operators and of the supervisor, refuses what is
// malformed or not theirs (common/ipc/operator_commands.h), and gives each to the family of
// commands that answers it. The JSON itself is qmgr/control/json.
//
// Answers come in the order in which things are found out, not in that of the requests. A request
// has one last answer, but `watch`, which has none.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "qmgr/control/backup_commands.h"
#include "qmgr/control/cluster_commands.h"
#include "qmgr/control/destination_commands.h"
#include "qmgr/control/history_commands.h"
#include "qmgr/control/json/command_json.h"
#include "qmgr/control/metrics_service.h"
#include "qmgr/control/operator_peers.h"
#include "qmgr/control/queue_commands.h"
#include "qmgr/control/queue_view.h"
#include "qmgr/control/status_commands.h"
#include "qmgr/control/supervisor_relay.h"
#include "qmgr/dispatch/delivery.h"
#include "qmgr/peers/peer_service.h"
#include "qmgr/queue/queue.h"

namespace postwain::qmgr {

class Control : public PeerService {
 public:
  struct Hooks {
    SupervisorRelay::OnConfig on_config;
    std::function<ipc::Admission()> admission;
    std::function<std::string()> standstill = nullptr;  // why nothing is tried, if so
    const FilterBoard* filters = nullptr;               // null: there are none
    const SignerBoard* signer = nullptr;                // the same
    const ReporterBoard* reporter = nullptr;            // the same
    ClusterPort* cluster = nullptr;                     // null: the queue is one machine's
    Requests* requests = nullptr;                       // the same
    net::Loop* loop = nullptr;                          // the same
    BlockReader* others = nullptr;                      // the same
  };

  Control(Queue& queue, Delivery& delivery, Hooks hooks);
  // Its parts know each other.
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // The name of an operator is his user's, for the log and the history.
  void connected(std::uint64_t peer, daemon::IpcConnection& connection,
                 const PeerIdentity& identity) override;
  bool frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) override;
  void drained(std::uint64_t peer) override;
  void lost(std::uint64_t peer) override;
  // The numbers of `status`, for peers that may know those only.
  PeerService& metrics() { return metrics_; }

 private:
  using Handler = std::function<void(Asker, const Command&)>;
  void on(ipc::OperatorCommand command, Handler handler);
  void on_queue_commands();
  void on_other_commands();
  void on_cluster_commands();
  void join_others(const Hooks& hooks);
  void obey(Asker asker, const std::string& json);

  OperatorPeers peers_;
  QueueView view_;
  QueueCommands queue_commands_;
  std::unique_ptr<RemoteActions> others_;
  DestinationCommands destinations_;
  StatusCommands status_;
  HistoryCommands history_;
  BackupCommands backup_;
  ClusterCommands cluster_;
  SupervisorRelay supervisor_;
  MetricsService metrics_;
  std::array<Handler, ipc::kOperatorCommands> handlers_;  // by OperatorCommand
};

}  // namespace postwain::qmgr
