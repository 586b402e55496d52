// `postwain cluster …`: the nodes that share a queue.
#include "postwain/command_line/options.h"

namespace postwain::tool {

namespace {

using Command = ipc::OperatorCommand;

struct NodeCommand {
  Command command;
  const char* what;
};
constexpr NodeCommand kNodeCommands[] = {
    {Command::cluster_drain, "let a node give its part of the queue away, and keep out"},
    {Command::cluster_join, "let a node have a part of the queue again"},
    {Command::cluster_leave, "forget a node that is gone"},
    {Command::cluster_fence, "end the part of a node whose machine is known to be dead"},
};

}  // namespace

void add_cluster(CLI::App& app, Parsed& parsed) {
  CLI::App* cluster = app.add_subcommand("cluster", "machines that share a queue");
  cluster->require_subcommand(1);
  add_command(*cluster, parsed, sub_word(Command::cluster_status),
              "the nodes, their parts of the queue, and what a 250 is worth", true,
              [&parsed] { return cluster_status_command(parsed.options); });
  for (const NodeCommand& one : kNodeCommands) {
    CLI::App* command = cluster->add_subcommand(sub_word(one.command), one.what);
    add_common(*command, parsed, true);
    command->add_option("node", parsed.cluster.node, "its name")->required();
    if (one.command == Command::cluster_fence)
      command->add_flag("--yes", parsed.cluster.yes, "do not ask whether the machine is dead");
    command->callback([&parsed, asked = one.command] {
      parsed.run = [&parsed, asked] {
        return cluster_node_command(parsed.options, asked, parsed.cluster);
      };
    });
  }
  add_command(*cluster, parsed, "check", "whether the database of [queue] store is fit for a queue",
              true, [&parsed] { return cluster_check_command(parsed.options); });
}

}  // namespace postwain::tool
