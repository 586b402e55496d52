// `postwain queue …`: looking at the queue, acting on it, and taking it elsewhere.
#include <string>

#include "postwain/command_line/options.h"
#include "postwain/commands/backup_command.h"

namespace postwain::tool {

namespace {

using Command = ipc::OperatorCommand;

void add_destinations(CLI::App& queue, Parsed& parsed) {
  CLI::App* list = queue.add_subcommand(sub_word(Command::queue_destinations),
                                        "where mail goes, and what holds it");
  add_common(*list, parsed, true);
  list->callback(
      [&parsed] { parsed.run = [&parsed] { return destinations_command(parsed.options); }; });
  for (bool begin : {true, false}) {
    CLI::App* command = queue.add_subcommand(
        sub_word(begin ? Command::queue_suspend : Command::queue_resume),
        begin ? "let the mail for a domain, or for a destination, wait for a while"
              : "end a suspension");
    add_common(*command, parsed, true);
    command
        ->add_option("destination", parsed.suspend.destination,
                     "a domain of recipients, or a destination as listed")
        ->required();
    if (begin) {
      command->add_option("--for", parsed.suspend.for_time,
                          "how long, such as 2h (default: until it is resumed)");
      command->add_option("--reason", parsed.suspend.reason,
                          "the reason, which queue destinations shows");
    }
    command->callback([&parsed, begin] {
      parsed.run = [&parsed, begin] {
        return suspend_command(parsed.options, parsed.suspend, begin);
      };
    });
  }
}

void add_stores(CLI::App& queue, Parsed& parsed) {
  CLI::App* move = queue.add_subcommand(
      "move", "move all mail into the store of [queue] store, while Postwain is stopped");
  add_common(*move, parsed, true);
  move->add_option("--from", parsed.move.from,
                   "the store it is in: sqlite, or the address of a database")
      ->required();
  move->add_option("--from-password", parsed.move.from_password,
                   "file:/path of the password of that database");
  move->callback(
      [&parsed] { parsed.run = [&parsed] { return move_command(parsed.options, parsed.move); }; });
  add_command(queue, parsed, "take-over",
              "make the queue in the database this spool's, once nobody else works with it", false,
              [&parsed] { return take_over_command(parsed.options); });
}

void add_backup(CLI::App& queue, Parsed& parsed) {
  struct WithFolder {
    std::string name;
    const char* what;
    int (*run)(const ClientOptions&, const std::string&);
  };
  const WithFolder commands[] = {
      {sub_word(Command::queue_backup), "copy the queue to a new folder while it works",
       backup_command},
      {"recover", "make a new queue from a damaged one, while Postwain is stopped",
       recover_command},
  };
  for (const WithFolder& one : commands) {
    CLI::App* command = queue.add_subcommand(one.name, one.what);
    add_common(*command, parsed, true);
    command->add_option("folder", parsed.folder, "made by this command")->required();
    command->callback([&parsed, run = one.run] {
      parsed.run = [&parsed, run] { return run(parsed.options, parsed.folder); };
    });
  }
}

void add_filter(CLI::App& command, QueueFilter& filter, const char* ids) {
  command.add_option(ids, filter.ids, "ids of messages");
  command.add_flag("--all", filter.all, "the whole queue");
  command.add_option("--state", filter.state,
                     "recipients in this state (queued, deferred, held, active)");
  command.add_flag("--in-doubt", filter.in_doubt, "recipients who may have the message already");
  command.add_option("--domain", filter.domain, "recipients in this domain");
  command.add_option("--sender", filter.sender, "messages of this sender (<> for bounces)");
  command.add_option("--recipient", filter.recipient, "this recipient");
  command.add_option("--older", filter.older, "received longer ago than this, such as 2h");
  command.add_option("--younger", filter.younger, "received not longer ago than this");
  command.add_option("--account", filter.account, "sent by this account or local user");
  command.add_option("--client", filter.client, "from a client with this address");
  command.add_option("--route", filter.route, "to this destination, as queue list names it");
  command.add_option("--class", filter.traffic_class, "interactive, bulk or bounce");
  command.add_option("--larger", filter.larger, "of more bytes than this, such as 10MiB");
  command.add_option("--smaller", filter.smaller, "of fewer bytes than this");
  command.add_option("--attempts", filter.attempts, "recipients that were tried at least so often");
  command.add_option("--reply", filter.reply, "recipients whose last reply contains these words");
  command.add_option("--reason", filter.reason,
                     "recipients whose reason for waiting or last reply contains these words");
}

void add_transfer(CLI::App& queue, Parsed& parsed) {
  CLI::App* out = queue.add_subcommand("export", "write messages to a new folder");
  add_common(*out, parsed, true);
  out->add_option("folder", parsed.transfer.folder, "made by this command")->required();
  add_filter(*out, parsed.filter, "--id");
  out->add_flag("--remove", parsed.transfer.remove, "also remove the messages from the queue");
  out->callback([&parsed] {
    parsed.run = [&parsed] {
      return export_command(parsed.options, parsed.filter, parsed.transfer);
    };
  });
  CLI::App* in = queue.add_subcommand("import", "put exported messages into the queue");
  add_common(*in, parsed, true);
  in->add_option("folder", parsed.transfer.folder, "as export made it")->required();
  in->add_flag("--hold", parsed.transfer.hold, "hold all imported messages");
  in->add_flag("--dry-run", parsed.transfer.dry_run, "only check the files");
  in->callback([&parsed] {
    parsed.run = [&parsed] { return import_command(parsed.options, parsed.transfer); };
  });
}

}  // namespace

void add_queue(CLI::App& app, Parsed& parsed) {
  CLI::App* queue = app.add_subcommand("queue", "look at the queue and act on it");
  queue->require_subcommand(1);
  add_destinations(*queue, parsed);
  add_backup(*queue, parsed);
  add_stores(*queue, parsed);
  add_transfer(*queue, parsed);
  struct Action {
    Command command;
    const char* what;
  };
  static constexpr Action kActions[] = {
      {Command::queue_list, "messages and their open recipients"},
      {Command::queue_show, "everything about a message"},
      {Command::queue_retry, "try now instead of later"},
      {Command::queue_hold, "do not try until released"},
      {Command::queue_release, "end a hold"},
      {Command::queue_cancel, "remove without telling the sender"},
      {Command::queue_bounce, "give up now and tell the sender"},
      {Command::queue_stats, "numbers by state, domain and age"},
  };
  for (const Action& action : kActions) {
    CLI::App* command = queue->add_subcommand(sub_word(action.command), action.what);
    add_common(*command, parsed, true);
    QueueFilter& filter = parsed.filter;
    add_filter(*command, filter, "ids,--id");
    if (ipc::info_of(action.command).arguments.has(ipc::CommandArgument::dry_run))
      command->add_flag("--dry-run", filter.dry_run, "only tell how much would be changed");
    command->callback([&parsed, asked = action.command] {
      parsed.run = [&parsed, asked] { return queue_command(parsed.options, asked, parsed.filter); };
    });
  }
}

}  // namespace postwain::tool
