// The commands of operators: what a `control_request` may ask. One table for both sides: qmgr
// parses, refuses and dispatches by it, the command line takes its words from it.
//
// A request is a JSON object: "command" is the word, the other members are the arguments that the
// command takes. What stands beside them is not looked at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace postwain::ipc {

enum class OperatorCommand : std::uint8_t {
  status,
  stop,
  reload,
  processes,  // what the supervisor tells of the processes it runs
  queue_list,
  queue_show,
  queue_stats,
  queue_destinations,
  queue_way,  // where mail for an address goes; asked by `postwain explain`
  queue_retry,
  queue_hold,
  queue_release,
  queue_cancel,
  queue_bounce,
  queue_suspend,
  queue_resume,
  queue_content,  // a piece of a message's content; asked by `postwain queue export`
  queue_backup,
  trace,
  watch,
  cluster_status,
  cluster_drain,  // a node gives its bags away, and keeps out
  cluster_join,
  cluster_leave,  // a node that is gone is forgotten
  cluster_fence,  // a node whose machine is dead
};
constexpr std::size_t kOperatorCommands = 25;

// Whose command it is. Root and the queue's user may give what a viewer may; a member of a group in
// [control] viewers may not give what is an operator's.
enum class CommandUser : std::uint8_t {
  viewer,      // changes nothing, and shows no content
  operators,   // root and the queue's user
  supervisor,  // the process only
};

enum class CommandArgument : std::uint8_t {
  filter,       // an object: which recipients of which messages
  dry_run,      // true: tell what would be changed, and change nothing
  destination,  // a domain, or a destination as it is listed
  by,           // who asks, in his own words
  reason,       // why, in words
  for_time,     // "for": a duration; absent: until further notice
  query,
  sender,
  client,  // an IP address
  limit,   // a number of answers
  offset,  // octets
  node,    // of a cluster, its name
  state,   // of the supervisor; this and those below come with `processes`
  version,
  processes,
  certificates,
  certificate_trouble,
  trouble,
};
// Its member in the request.
const char* name_of(CommandArgument argument);

class CommandArguments {
 public:
  constexpr CommandArguments(std::initializer_list<CommandArgument> list) {
    for (CommandArgument one : list) bits_ |= bit(one);
  }
  constexpr bool has(CommandArgument one) const { return (bits_ & bit(one)) != 0; }

 private:
  static constexpr std::uint32_t bit(CommandArgument one) {
    return std::uint32_t{1} << static_cast<unsigned>(one);
  }
  std::uint32_t bits_ = 0;
};

struct OperatorCommandInfo {
  OperatorCommand command;
  std::string_view word;  // "queue list", as in the request and on the command line
  CommandUser user;
  bool changes;  // the queue, the configuration, or what the server does
  bool relayed;  // qmgr passes it on to the supervisor, which answers
  CommandArguments arguments;
};

const OperatorCommandInfo& info_of(OperatorCommand command);
// Null: there is no such command.
const OperatorCommandInfo* find_operator_command(std::string_view word);
// "queue list"; without the first word: "list", as the command line has it below `queue`.
std::string_view word_of(OperatorCommand command);
std::string_view last_word_of(OperatorCommand command);

}  // namespace postwain::ipc
