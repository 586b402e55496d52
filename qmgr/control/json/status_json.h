// The JSON of numbers: status, statistics, and what a backup is about.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"

#include "qmgr/control/json/queue_shape.h"
#include "qmgr/history/history.h"
#include "qmgr/model/cluster_view.h"
#include "qmgr/model/filter_board.h"
#include "qmgr/model/reporter_board.h"
#include "qmgr/model/signer_board.h"
#include "qmgr/scheduling/scheduler.h"
#include "qmgr/store/queue_counts.h"

namespace postwain::qmgr {

struct Process {
  std::string name;
  std::int64_t pid = 0;
};

// What the listeners show to clients, as the supervisor tells.
struct Certificates {
  struct One {
    std::string file;
    WallTime not_after{};
  };
  std::vector<One> list;
  std::string trouble;  // why their files cannot be read now; empty: they can
};

// What the supervisor tells of itself and of the processes it runs.
struct SupervisorReport {
  std::string state = "running";
  std::string version;
  std::vector<Process> processes;
  Certificates certificates;
  std::vector<std::string> trouble;  // with processes, in words
};

struct QueueStatus {
  SupervisorReport supervisor;  // as it told last
  std::int64_t messages = 0;
  std::int64_t recipients = 0;
  bool counted = true;
  std::vector<Counts::Group> groups;  // of the recipients
  WallTime oldest{};                  // message; zero: none
  bool accepting = true;
  std::string refusal;
  std::string standstill;  // why nothing is tried; empty: it is
  std::string store;       // where the queue is: "sqlite", or the database in words
  std::size_t active = 0;  // leases
  std::size_t in_memory = 0;
  std::size_t content_bytes = 0;
  std::int64_t wal_bytes = 0;
  HistoryStatus history;
  FilterBoard filters;
  SignerBoard signer;
  ReporterBoard reporter;
  bool srs = false;                    // senders are rewritten
  std::optional<ClusterView> cluster;  // none: the queue is one machine's
  std::size_t smtp_clients = 0;
  std::size_t lmtp_clients = 0;
};
std::string json_status(const QueueStatus& status);
// Whole days; negative: it has ended.
std::int64_t days_left(WallTime not_after, WallTime now);
// in_doubt: recipients who may have the message already, counted up to a limit. shape: all that
// wait, of which the largest kShapeShown domains are shown.
constexpr std::size_t kShapeShown = 20;
std::string json_stats(const QueueStatus& status, std::size_t in_doubt,
                       const std::vector<DestinationReport>& destinations, const QueueShape& shape);

// queue backup: where the snapshot lies, and how much of a queue it is about.
std::string json_snapshot(const std::string& folder, const QueueStatus& status);

}  // namespace postwain::qmgr
