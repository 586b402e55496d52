// The JSON of the control connection, both ways. The library that reads and writes it is known only
// in control_json.cc.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/mail/ability.h"

#include "qmgr/history/history.h"
#include "qmgr/model/list_filter.h"
#include "qmgr/model/message.h"
#include "qmgr/model/wait.h"
#include "qmgr/queue/queue_shape.h"
#include "qmgr/scheduling/connection_ledger.h"
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

// A request, understood as far as all commands have it in common.
struct Command {
  // queue suspend, queue resume:
  std::string destination;
  std::string by;
  std::string reason;
  std::string sender;                // queue way: of the mail that is asked about
  std::optional<Duration> for_time;  // absent: until further notice

  std::string name;  // "queue list"
  bool all = false;
  bool dry_run = false;  // tell what it would be done to
  ListFilter filter;
  std::uint64_t offset = 0;  // of "queue content"
  // "trace":
  std::string query;
  std::string client;  // only what was refused to that IP address
  std::size_t limit = 20;
  // "processes" of the supervisor:
  std::string state;
  std::string version;
  std::vector<Process> processes;
  Certificates certificates;
  std::vector<std::string> trouble;  // with processes, in words
};

// The error's text is for the operator.
Result<Command> parse_command(const std::string& json);

std::string json_error(const std::string& text);
std::string json_ok();
// {"data": base64}, of at most kContentPiece bytes.
constexpr std::size_t kContentPiece = 512U << 10;
std::string json_content(std::string_view bytes);
// suspension: null when there is none.
// reason: why it is left alone after failures. lacking: what its hosts were found unable to do.
// connections: open and waited for, where they are counted.
std::string json_destination(const DestinationReport& report, const Suspension* suspension,
                             const std::string& reason, const std::vector<mail::HostLacks>& lacking,
                             std::optional<ConnectionLedger::Count> connections);
// What an operator has suspended, until when; without a time: resumed.
std::string json_suspended(const std::string& name, const std::string& scope,
                           std::optional<WallTime> until);
// Where mail for somebody goes, and why it waits there, if it does.
std::string json_way(std::string_view destination, const std::optional<Wait>& wait, WallTime now);

// What a command on the queue met and did.
struct Acted {
  std::size_t matched = 0;  // messages
  std::size_t changed = 0;  // messages
  std::size_t recipients = 0;
  std::size_t recipients_changed = 0;
};
// hindered: recipients that cannot be tried, by why not.
std::string json_acted(const Acted& acted, const std::map<std::string, std::size_t>& hindered = {});
// Not the last word: so many recipients have an attempt that runs, whose end is awaited.
// The last of a list that had to be cut: so many more there are.
std::string json_not_shown(std::size_t count);
std::string json_looked_at(std::size_t messages);
std::string json_waiting(std::size_t recipients);

using IsActive = std::function<bool(mail::QueueId, std::uint32_t index)>;
// What is known in memory only of the rows that are shown.
struct RowView {
  using WaitOf = std::function<std::optional<Wait>(const MessageInfo&, const StoredRecipient&)>;
  RowView(IsActive active, WaitOf wait = nullptr)  // NOLINT(google-explicit-constructor)
      : is_active(std::move(active)), wait_of(std::move(wait)) {}
  IsActive is_active;
  WaitOf wait_of;
};
// interface.md: queue list. continued: further recipients of the message before; it has no more
// than its id and these.
// In as many answers as their size asks for (json_text.h), of which all but the first are continued
// ones.
std::vector<std::string> json_listed(const StoredMessage& slice, const RowView& view,
                                     bool continued);
// queue show: the same with everything we know.
std::vector<std::string> json_shown(const StoredMessage& slice, const RowView& view,
                                    bool continued);

struct QueueStatus {
  std::string state;
  std::string version;
  std::vector<Process> processes;
  Certificates certificates;
  std::vector<std::string> trouble;  // with processes, as the supervisor says
  std::int64_t messages = 0;
  std::int64_t recipients = 0;
  bool counted = true;
  std::vector<Counts::Group> groups;  // of the recipients
  WallTime oldest{};                  // message; zero: none
  bool accepting = true;
  std::string refusal;
  std::string standstill;  // why nothing is tried; empty: it is
  std::size_t active = 0;  // leases
  std::size_t in_memory = 0;
  std::size_t content_bytes = 0;
  std::int64_t wal_bytes = 0;
  HistoryStatus history;
  std::size_t smtp_clients = 0;
  std::size_t lmtp_clients = 0;
};
std::string json_status(const QueueStatus& status);
// Whole days; negative: it has ended.
std::int64_t days_left(WallTime not_after, WallTime now);
// in_doubt: recipients who may have the message already, counted up to kInDoubtCounted. shape: all
// that wait, of which the largest kShapeShown domains are shown.
constexpr std::size_t kShapeShown = 20;
std::string json_stats(const QueueStatus& status, std::size_t in_doubt,
                       const std::vector<DestinationReport>& destinations, const QueueShape& shape);

// queue backup: where the snapshot lies, and how much of a queue it is about.
std::string json_snapshot(const std::string& folder, const QueueStatus& status);

}  // namespace postwain::qmgr
