// A request of an operator or of the supervisor, out of its JSON. Which arguments a command takes
// is said in common/ipc/operator_commands.h; others are not read. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/ipc/operator_commands.h"

#include "qmgr/control/json/status_json.h"
#include "qmgr/model/list_filter.h"

namespace postwain::qmgr {

struct Command {
  std::string name;                                // as it was asked for
  const ipc::OperatorCommandInfo* info = nullptr;  // null: there is no such command
  std::string json;                                // the whole request, for one that is passed on

  // filter; `all` is in it, and says that an empty one is meant.
  bool all = false;
  ListFilter filter;
  bool dry_run = false;

  std::string destination;
  std::string by;
  std::string reason;
  std::optional<Duration> for_time;  // absent: until further notice

  std::string query;
  std::string sender;
  std::string client;
  std::size_t limit = 20;
  std::uint64_t offset = 0;
  std::string node;

  SupervisorReport report;  // of `processes`
};

// The error's text is for the operator, its code one of sysexits.h.
Result<Command> parse_command(const std::string& json);

// Why this peer may not give this command, if so; the same kind of error. only_looks: it is a
// viewer. A command that is only the supervisor's is unknown to everybody else.
std::optional<Error> refusal_of(const Command& command, bool only_looks, bool is_supervisor);

}  // namespace postwain::qmgr
