#include "common/ipc/operator_commands.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace postwain::ipc {

namespace {

using Command = OperatorCommand;
using Arg = CommandArgument;

constexpr CommandUser kViewer = CommandUser::viewer;
constexpr CommandUser kOperators = CommandUser::operators;
constexpr CommandUser kSupervisor = CommandUser::supervisor;
constexpr bool kLooks = false;
constexpr bool kChanges = true;
constexpr bool kHere = false;
constexpr bool kRelayed = true;

// In the order of OperatorCommand.
constexpr OperatorCommandInfo kCommands[] = {
    {Command::status, "status", kViewer, kLooks, kHere, {}},
    {Command::stop, "stop", kOperators, kChanges, kRelayed, {}},
    {Command::reload, "reload", kOperators, kChanges, kRelayed, {}},
    {Command::processes,
     "processes",
     kSupervisor,
     kChanges,
     kHere,
     {Arg::state, Arg::version, Arg::processes, Arg::certificates, Arg::certificate_trouble,
      Arg::trouble}},
    {Command::queue_list, "queue list", kViewer, kLooks, kHere, {Arg::filter}},
    {Command::queue_show, "queue show", kViewer, kLooks, kHere, {Arg::filter}},
    // Its numbers are those of the whole queue; a filter that is wrong is refused nevertheless.
    {Command::queue_stats, "queue stats", kViewer, kLooks, kHere, {Arg::filter}},
    {Command::queue_destinations, "queue destinations", kViewer, kLooks, kHere, {}},
    {Command::queue_way,
     "queue way",
     kViewer,
     kLooks,
     kHere,
     {Arg::query, Arg::sender, Arg::client}},
    {Command::queue_retry, "queue retry", kOperators, kChanges, kHere, {Arg::filter, Arg::dry_run}},
    {Command::queue_hold, "queue hold", kOperators, kChanges, kHere, {Arg::filter, Arg::dry_run}},
    {Command::queue_release,
     "queue release",
     kOperators,
     kChanges,
     kHere,
     {Arg::filter, Arg::dry_run}},
    {Command::queue_cancel,
     "queue cancel",
     kOperators,
     kChanges,
     kHere,
     {Arg::filter, Arg::dry_run}},
    {Command::queue_bounce,
     "queue bounce",
     kOperators,
     kChanges,
     kHere,
     {Arg::filter, Arg::dry_run}},
    {Command::queue_suspend,
     "queue suspend",
     kOperators,
     kChanges,
     kHere,
     {Arg::destination, Arg::by, Arg::reason, Arg::for_time}},
    {Command::queue_resume,
     "queue resume",
     kOperators,
     kChanges,
     kHere,
     {Arg::destination, Arg::by}},
    {Command::queue_content,
     "queue content",
     kOperators,
     kLooks,
     kHere,
     {Arg::filter, Arg::offset}},
    {Command::queue_backup, "queue backup", kOperators, kLooks, kHere, {}},
    {Command::trace, "trace", kViewer, kLooks, kHere, {Arg::query, Arg::client, Arg::limit}},
    {Command::watch, "watch", kViewer, kLooks, kHere, {Arg::filter, Arg::query}},
    {Command::cluster_status, "cluster status", kViewer, kLooks, kHere, {}},
    {Command::cluster_drain, "cluster drain", kOperators, kChanges, kHere, {Arg::node}},
    {Command::cluster_join, "cluster join", kOperators, kChanges, kHere, {Arg::node}},
    {Command::cluster_leave, "cluster leave", kOperators, kChanges, kHere, {Arg::node}},
    {Command::cluster_fence, "cluster fence", kOperators, kChanges, kHere, {Arg::node}},
};

constexpr bool is_sound() {
  std::size_t place = 0;
  for (const OperatorCommandInfo& one : kCommands) {
    if (static_cast<std::size_t>(one.command) != place++) return false;
    if (one.user == CommandUser::viewer && one.changes) return false;
  }
  return place == kOperatorCommands;
}
static_assert(is_sound(), "every command has its row, and viewers change nothing");

// In the order of CommandArgument.
constexpr std::array kArgumentNames = {
    "filter",
    "dry_run",
    "destination",
    "by",
    "reason",
    "for",
    "query",
    "sender",
    "client",
    "limit",
    "offset",
    "node",
    "state",
    "version",
    "processes",
    "certificates",
    "certificate_trouble",
    "trouble",
};
static_assert(kArgumentNames.size() == static_cast<std::size_t>(Arg::trouble) + 1);

}  // namespace

const char* name_of(CommandArgument argument) {
  return kArgumentNames[static_cast<std::size_t>(argument)];
}

const OperatorCommandInfo& info_of(OperatorCommand command) {
  return kCommands[static_cast<std::size_t>(command)];
}

const OperatorCommandInfo* find_operator_command(std::string_view word) {
  const auto* found =
      std::find_if(std::begin(kCommands), std::end(kCommands),
                   [word](const OperatorCommandInfo& one) { return one.word == word; });
  return found == std::end(kCommands) ? nullptr : found;
}

std::string_view word_of(OperatorCommand command) {
  return info_of(command).word;
}

std::string_view last_word_of(OperatorCommand command) {
  std::string_view word = word_of(command);
  return word.substr(word.rfind(' ') + 1);
}

}  // namespace postwain::ipc
