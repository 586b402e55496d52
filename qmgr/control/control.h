// Commands of operators and of the supervisor: status, stop, reload, and everything about the
// queue.
//
// A walk over the queue goes page by page through the store, so a long list never holds up a
// commit, and never further than the connection takes it. The JSON itself is control_json.h.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "common/daemon/ipc_connection.h"

#include "qmgr/control/json/command_json.h"
#include "qmgr/control/json/queue_json.h"
#include "qmgr/control/json/status_json.h"
#include "qmgr/control/metrics_service.h"
#include "qmgr/control/snapshot.h"
#include "qmgr/dispatch/delivery.h"
#include "qmgr/peers/peer_service.h"
#include "qmgr/queue/queue.h"
#include "qmgr/routing/suspend_scope.h"
#include "qmgr/store/queue_walk.h"

namespace postwain::qmgr {

constexpr std::size_t kWalkMessages = 200;      // of one page
constexpr std::size_t kWalkRecipients = 2000;   // of one page; more of a message is in the next one
constexpr std::size_t kSkimRows = 20000;        // looked at in one go for a page
constexpr std::size_t kSurveyRows = 5000;       // the same for the count by domain
constexpr std::size_t kTellPages = 20;          // an action tells how far it is after so many
constexpr std::size_t kWalkBacklog = 1U << 20;  // unsent bytes at which a list waits
constexpr std::size_t kRequestsOfViewer = 4;    // at once, of one connection
constexpr std::size_t kAnswerBacklog = 16U << 20;  // the same of answers that come at once: cut
constexpr std::size_t kStatsDestinations = 100;
constexpr std::size_t kInDoubtCounted = 100'000;  // not further
constexpr std::size_t kListDestinations = 10000;
constexpr std::size_t kDestinationKeyMax = 4000;
constexpr std::size_t kAuthorMax = 256;
constexpr std::size_t kReasonMax = 1024;

class Control : public PeerService {
 public:
  struct Hooks {
    std::function<Result<bool>(std::string_view bundle)> on_config;
    std::function<ipc::Admission()> admission;
    std::function<std::string()> standstill = nullptr;  // why nothing is tried, if so
  };

  Control(Queue& queue, Delivery& delivery, Hooks hooks);

  // The name of an operator is his user's, for the log and the history.
  void connected(std::uint64_t peer, daemon::IpcConnection& connection,
                 const PeerIdentity& identity) override;
  bool frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) override;
  void drained(std::uint64_t peer) override;
  void lost(std::uint64_t peer) override;
  // The same numbers for peers that may know the metrics only.
  PeerService& metrics() { return metrics_; }

 private:
  enum class Purpose : std::uint8_t { list, show, act };
  // One command on its way through the queue.
  struct Walk {
    std::uint64_t peer;
    std::uint64_t request;
    Command command;
    Purpose purpose;
    Action action = Action::retry;  // of Purpose::act
    std::string who = {};           // asks for it
    std::optional<std::vector<mail::QueueId>> only = {};
    ListCursor at = {};
    mail::QueueId last;  // of this leg
    // Messages made later (notices) are not part of it. But ids that lie ahead, of a clock that was
    // wrong, are found on a second leg: from beyond what is made meanwhile to the last id there is.
    bool second_leg = false;
    Acted acted = {};
    std::map<std::string, std::size_t> hindered = {};  // recipients, by why nothing can be done
    mail::QueueId matched_last = {};  // a message may come in several slices: it counts once
    mail::QueueId changed_last = {};
    std::size_t pages = 0;
    std::size_t acting = 0;   // of this page
    std::size_t waiting = 0;  // recipients whose attempt still runs
    bool page_done = false;
    bool done = false;  // all pages
  };
  using WalkPtr = std::shared_ptr<Walk>;
  struct Relayed {
    std::uint64_t peer;
    std::uint64_t request;
  };

  bool request(std::uint64_t peer, std::string_view payload);
  bool config_update(std::uint64_t peer, std::string_view payload);
  bool supervisor_reply(std::string_view payload);
  void run(std::uint64_t peer, std::uint64_t request, Command command);
  void stats(std::uint64_t peer, std::uint64_t request);
  void backup(std::uint64_t peer, std::uint64_t request);
  void destinations(std::uint64_t peer, std::uint64_t request);
  // control_stats.cc
  struct Survey;
  void next_stretch(const std::shared_ptr<Survey>& survey);
  // control_waits.cc
  SuspendScopes scopes() const;
  void suspend(std::uint64_t peer, std::uint64_t request, const Command& command);
  void resume(std::uint64_t peer, std::uint64_t request, const Command& command);
  void way(std::uint64_t peer, std::uint64_t request, const Command& command);
  std::vector<DestinationReport> destination_reports(std::size_t limit) const;
  std::optional<Wait> wait_of(const MessageInfo& info, const StoredRecipient& row,
                              WallTime now) const;
  RowView row_view();
  void note_hindered(Walk& walk, StoredMessage& slice);
  void keep_reason(StoredMessage& slice, const std::string& words) const;
  static void note_why(Walk& walk, const std::string& why);
  void relay(std::uint64_t peer, std::uint64_t request, const std::string& json);
  // control_trace.cc
  struct Found;
  void trace(std::uint64_t peer, std::uint64_t request, const Command& command);
  void trace_refused(std::uint64_t peer, std::uint64_t request, const Command& command,
                     const std::shared_ptr<Found>& found);
  void tell_found(std::uint64_t peer, std::uint64_t request, const Found& found);
  static void look_into_queue(QueueStore& store, const std::string& query, Found& found);
  void watch(std::uint64_t peer, std::uint64_t request, const Command& command);
  void show_live(const Recorder::Live& live);
  // Who is at the other end, for the history: "alice (uid 1000, pid 4711)".
  void content(std::uint64_t peer, std::uint64_t request, const Command& command);
  std::string operator_at(std::uint64_t peer) const;
  void walk(std::uint64_t peer, std::uint64_t request, const Command& command, Purpose purpose,
            Action action = Action::retry);
  std::vector<mail::QueueId> active_messages() const;
  void next_page(const WalkPtr& walk);
  void page(const WalkPtr& walk, ListPage page);
  void act_on(const WalkPtr& walk, const StoredMessage& slice);
  void wait_for_attempts(const WalkPtr& walk, const StoredMessage& slice,
                         std::vector<std::uint32_t> busy, bool counted);
  void go_on(const WalkPtr& walk);
  static bool begin_second_leg(Walk& walk);
  static std::string not_found(const Walk& walk);
  void end_walk(const WalkPtr& walk);
  void reply(std::uint64_t peer, std::uint64_t request, std::string json, bool last = true,
             int exit_code = 0);
  // Whether more may be added to an answer that comes at once.
  bool has_room(std::uint64_t peer) const;
  QueueStatus status() const;

  Queue& queue_;
  Snapshot snapshot_;
  std::optional<std::uint64_t> snapshot_for_;  // the peer that is copying it
  Delivery& delivery_;
  Hooks hooks_;
  std::map<std::uint64_t, daemon::IpcConnection*> peers_;
  std::map<std::uint64_t, std::string> names_;
  std::map<std::uint64_t, std::size_t> viewers_;  // only look, and how much they ask at once
  std::optional<std::uint64_t> supervisor_;
  std::map<std::uint64_t, Relayed> relayed_;
  std::uint64_t last_relayed_ = 0;
  std::map<std::uint64_t, WalkPtr> waiting_;  // by peer: a list that waits for its reader
  // Who looks on: its connection gets what fits, and is told what did not.
  struct Watcher {
    std::uint64_t request;
    ListFilter filter;
    std::vector<std::string> events;  // empty: all
    std::uint64_t dropped = 0;
  };
  std::map<std::uint64_t, Watcher> watchers_;
  SupervisorReport report_;
  MetricsService metrics_;
};

}  // namespace postwain::qmgr
