#include "postwain/command_line.h"

#include <functional>
#include <string>
#include <vector>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/ipc/operator_commands.h"
#include "postwain/commands/backup_command.h"
#include "postwain/commands/destination_command.h"
#include "postwain/commands/filter_command.h"
#include "postwain/commands/postfix_log.h"
#include "postwain/commands/process_commands.h"
#include "postwain/commands/queue_command.h"
#include "postwain/commands/selftest_command.h"
#include "postwain/commands/trace_command.h"
#include "postwain/commands/transfer_command.h"
#include "postwain/commands/watch_command.h"
#include "postwain/completion.h"
#include "postwain/dkim/dkim_commands.h"
#include "postwain/dns_check/dns_check_command.h"
#include "postwain/explain/bounce_preview.h"
#include "postwain/explain/explain_command.h"
#include "postwain/explain/simulate_command.h"
#include "postwain/process/version.h"
#include "postwain/sendmail/sendmail.h"
#include "postwain/supervisor/run.h"

namespace postwain::tool {

namespace {

using Command = ipc::OperatorCommand;

// Everything the options can set, and what is to be done with it.
struct Parsed {
  ClientOptions options;
  QueueFilter filter;
  PreviewOptions preview;
  SimulateOptions simulate;
  SuspendOptions suspend;
  TraceOptions trace;
  FilterTestOptions filter_test;
  ExplainOptions explain;
  WatchOptions watch;
  TransferOptions transfer;
  DkimOptions dkim;
  DnsCheckOptions dns_check;
  std::string shell;  // of completion
  std::function<int()> run;
  std::string folder;  // of queue backup and queue recover
};

// Below `queue` or below postwain itself.
std::string sub_word(Command command) {
  return std::string(ipc::last_word_of(command));
}

void add_common(CLI::App& command, Parsed& parsed, bool with_json) {
  command.add_option("-c,--config", parsed.options.config_file, "configuration file")
      ->capture_default_str();
  if (with_json) command.add_flag("--json", parsed.options.json, "print JSON");
}

void add_command(CLI::App& app, Parsed& parsed, std::string_view name, const char* what,
                 bool with_json, std::function<int()> run) {
  CLI::App* command = app.add_subcommand(std::string(name), what);
  add_common(*command, parsed, with_json);
  command->callback([&parsed, run = std::move(run)] { parsed.run = run; });
}

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
                          "how long, such as 2h; else until further notice");
      command->add_option("--reason", parsed.suspend.reason, "why, for whoever wonders");
    }
    command->callback([&parsed, begin] {
      parsed.run = [&parsed, begin] {
        return suspend_command(parsed.options, parsed.suspend, begin);
      };
    });
  }
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
  command.add_flag("--in-doubt", filter.in_doubt, "recipients who may have it already");
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
  command.add_option("--attempts", filter.attempts, "tried at least so often");
  command.add_option("--reply", filter.reply, "whose last reply contains these words");
  command.add_option("--reason", filter.reason,
                     "who wait for a reason, or had a reply, with these words");
}

void add_transfer(CLI::App& queue, Parsed& parsed) {
  CLI::App* out = queue.add_subcommand("export", "write messages to a new folder");
  add_common(*out, parsed, true);
  out->add_option("folder", parsed.transfer.folder, "made by this command")->required();
  add_filter(*out, parsed.filter, "--id");
  out->add_flag("--remove", parsed.transfer.remove, "and take them from the queue");
  out->callback([&parsed] {
    parsed.run = [&parsed] {
      return export_command(parsed.options, parsed.filter, parsed.transfer);
    };
  });
  CLI::App* in = queue.add_subcommand("import", "put exported messages into the queue");
  add_common(*in, parsed, true);
  in->add_option("folder", parsed.transfer.folder, "as export made it")->required();
  in->add_flag("--hold", parsed.transfer.hold, "hold them all");
  in->add_flag("--dry-run", parsed.transfer.dry_run, "only look at the files");
  in->callback([&parsed] {
    parsed.run = [&parsed] { return import_command(parsed.options, parsed.transfer); };
  });
}

void add_queue(CLI::App& app, Parsed& parsed) {
  CLI::App* queue = app.add_subcommand("queue", "look at the queue and act on it");
  queue->require_subcommand(1);
  add_destinations(*queue, parsed);
  add_backup(*queue, parsed);
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

void add_preview(CLI::App& app, Parsed& parsed) {
  CLI::App* command = app.add_subcommand("bounce-preview", "print a sample delivery report");
  add_common(*command, parsed, false);
  PreviewOptions& preview = parsed.preview;
  command->add_flag("--failed", preview.failed, "a report of failure (the default)");
  command->add_flag("--delayed", preview.delayed, "a warning of delay");
  command->add_flag("--success", preview.success, "a report of success");
  command->add_flag("--text", preview.words_only, "only the words for people");
  command->callback([&parsed] {
    parsed.run = [&parsed] {
      return bounce_preview_command(parsed.options.config_file, parsed.preview);
    };
  });
}

void add_simulate(CLI::App& app, Parsed& parsed) {
  CLI::App* command =
      app.add_subcommand("simulate", "play mail through the schedule in virtual time");
  add_common(*command, parsed, true);
  simulator::Request& request = parsed.simulate.request;
  command->add_option("--messages", request.messages, "how many")->capture_default_str();
  command->add_option("--recipients", request.recipients, "of each message")->capture_default_str();
  command->add_option("--mailing", request.mailing, "one more message with so many recipients");
  command->add_option("--destinations", request.destinations, "d1.example, d2.example ...")
      ->capture_default_str();
  command->add_option("--domain", request.domains, "a destination by its name; may be repeated");
  command->add_option("--over", parsed.simulate.over, "the messages arrive within this time")
      ->capture_default_str();
  command->add_option("--latency", parsed.simulate.latency, "of an attempt, on average")
      ->capture_default_str();
  command->add_option("--outage", parsed.simulate.outages,
                      "DOMAIN:FROM:TO since the start, such as d1.example:10m:6h or all:0:2h");
  command->add_option("--defer-share", request.defer_share, "of recipients, refused for now");
  command->add_option("--fail-share", request.fail_share, "of recipients, refused for good");
  command->add_option("--greylist-share", request.greylist_share,
                      "of recipients, refused while younger than five minutes");
  command->add_option("--seed", request.seed, "another seed, another run")->capture_default_str();
  command->callback([&parsed] {
    parsed.run = [&parsed] { return simulate_command(parsed.options, parsed.simulate); };
  });
}

void add_trace(CLI::App& app, Parsed& parsed) {
  CLI::App* command =
      app.add_subcommand(sub_word(Command::trace), "what became of a message or an address");
  add_common(*command, parsed, true);
  command->add_option("query", parsed.trace.query, "queue id, address, Message-ID or remote id");
  command->add_option("--client", parsed.trace.client, "what was refused to this IP address");
  command->add_option("--limit", parsed.trace.limit, "messages shown at most, the newest first")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->callback([&parsed] {
    parsed.run = [&parsed] { return trace_command(parsed.options, parsed.trace); };
  });
}

void add_watch(CLI::App& app, Parsed& parsed) {
  CLI::App* command =
      app.add_subcommand(sub_word(Command::watch), "what happens to mail, as it happens");
  add_common(*command, parsed, true);
  WatchOptions& watch = parsed.watch;
  command->add_option("--id", watch.id, "of this message");
  command->add_option("--domain", watch.domain, "to recipients in this domain");
  command->add_option("--recipient", watch.recipient, "to this recipient");
  command->add_option("--event", watch.events, "only these, such as deferred,failed");
  command->add_option("--count", watch.count, "end after so many");
  command->callback([&parsed] {
    parsed.run = [&parsed] { return watch_command(parsed.options, parsed.watch); };
  });
}

void add_explain(CLI::App& app, Parsed& parsed) {
  CLI::App* command = app.add_subcommand(
      "explain", "what would happen to an address, and which line decides each step");
  add_common(*command, parsed, true);
  Question& question = parsed.explain.question;
  command->add_option("address", question.recipient, "the recipient")->required();
  command->add_option("--from", question.sender, "the sender (<> for none)");
  command->add_option("--client", question.client, "IP address of the client; none: a stranger");
  command->add_option("--helo", question.hello, "what the client says it is")
      ->capture_default_str();
  command->add_option("--account", question.account, "the client has logged in as");
  command->add_flag("--submission", question.submission, "at a submission listener");
  command->add_flag("--no-dns", parsed.explain.no_dns, "do not look the next hop up");
  command->callback([&parsed] {
    parsed.run = [&parsed] { return explain_command(parsed.options, parsed.explain); };
  });
}

void add_filter_trials(CLI::App& app, Parsed& parsed) {
  CLI::App* filter = app.add_subcommand("filter", "try the filters; nothing comes of it");
  filter->require_subcommand(1);
  add_command(*filter, parsed, "check", "whether each filter can be asked, and what it asks for",
              true, [&parsed] { return filter_check_command(parsed.options); });
  CLI::App* command = filter->add_subcommand("test", "what the filters would say of a message");
  add_common(*command, parsed, true);
  FilterTestOptions& test = parsed.filter_test;
  command->add_option("message", test.message, "a file, - for standard input, or a queue id")
      ->required();
  command->add_option("--from", test.sender, "the sender (<> for none)");
  command->add_option("--to", test.recipients, "a recipient; may be repeated");
  command->add_option("--client", test.client, "IP address of the client");
  command->add_option("--helo", test.hello, "what the client says it is");
  command->add_option("--listener", test.listener, "address of the [[listener]]; none: the first");
  command->callback([&parsed] {
    parsed.run = [&parsed] { return filter_test_command(parsed.options, parsed.filter_test); };
  });
}

void add_check(CLI::App& app, Parsed& parsed) {
  CLI::App* command =
      app.add_subcommand("check", "check the configuration; every mistake with its place");
  add_common(*command, parsed, true);
  DnsCheckOptions& dns = parsed.dns_check;
  CLI::Option* wanted =
      command->add_flag("--dns", dns.wanted, "and what the DNS says of our host and our domains");
  command->add_option("--domain", dns.domains, "only this domain; may be repeated")->needs(wanted);
  command
      ->add_option("--address", dns.addresses,
                   "a public address that mail leaves from; may be repeated")
      ->needs(wanted);
  command->add_option("--within", dns.within, "the time for all questions together")
      ->needs(wanted)
      ->capture_default_str();
  command->callback([&parsed] {
    parsed.run = [&parsed] {
      return parsed.dns_check.wanted
                 ? dns_check_command(parsed.options, parsed.dns_check)
                 : check_command(parsed.options.config_file, parsed.options.json);
    };
  });
}

CLI::App* add_dkim_command(CLI::App& dkim, Parsed& parsed, const char* name, const char* what,
                           bool needs_domain,
                           int (*run)(const ClientOptions&, const DkimOptions&)) {
  CLI::App* command = dkim.add_subcommand(name, what);
  add_common(*command, parsed, true);
  command->add_option("domain", parsed.dkim.domain, "whose keys")->required(needs_domain);
  command->callback(
      [&parsed, run] { parsed.run = [&parsed, run] { return run(parsed.options, parsed.dkim); }; });
  return command;
}

void add_dkim(CLI::App& app, Parsed& parsed) {
  CLI::App* dkim = app.add_subcommand("dkim", "keys that sign mail, and their records in the DNS");
  dkim->require_subcommand(1);
  DkimOptions& options = parsed.dkim;
  CLI::App* make = add_dkim_command(*dkim, parsed, "new", "make a key, and print what to publish",
                                    true, dkim_new_command);
  make->add_option("--selector", options.selector,
                   "its name in the DNS; none: the date and a letter");
  make->add_option("--algorithm", options.algorithm, "rsa or ed25519")->capture_default_str();
  make->add_option("--bits", options.bits, "of RSA: 2048, 3072 or 4096; none: 2048");
  make->add_option("--key", options.key_file, "the file; none: in dkim/ beside the configuration");
  make->add_flag("--add", options.add, "and add it to conf.d/dkim.toml beside the configuration");
  make->add_flag("--sign-now", options.sign_now, "it signs at once, published or not");
  add_dkim_command(*dkim, parsed, "show", "the keys of the configuration, and their records", false,
                   dkim_show_command);
  add_dkim_command(*dkim, parsed, "check", "whether the DNS has the records of our keys", false,
                   dkim_check_command);
  CLI::App* rotate = add_dkim_command(
      *dkim, parsed, "rotate", "make the next key of a domain; once it is published, sign with it",
      true, dkim_rotate_command);
  rotate->add_flag("--force", options.force, "sign with it whatever the DNS says");
  rotate->add_flag("--no-reload", options.no_reload, "change the files only");
}

void collect_words(const CLI::App& app, const std::string& path, std::vector<CommandWords>& all) {
  CommandWords one{path, {}};
  for (const CLI::App* sub : app.get_subcommands({})) one.words.push_back(sub->get_name());
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) one.words.push_back("--" + name);
  all.push_back(std::move(one));
  for (const CLI::App* sub : app.get_subcommands({}))
    collect_words(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), all);
}

void add_completion(CLI::App& app, Parsed& parsed) {
  CLI::App* command = app.add_subcommand("completion", "print the completion for a shell");
  command->add_option("shell", parsed.shell, "bash, zsh or fish")->required();
  command->callback([&app, &parsed] {
    parsed.run = [&app, &parsed] {
      std::vector<CommandWords> all;
      collect_words(app, {}, all);
      auto script = completion_script(parsed.shell, all);
      if (!script) return fail(kExitUsage, "completion: bash, zsh or fish");
      fmt::print("{}", *script);
      return static_cast<int>(kExitOk);
    };
  });
}

void build(CLI::App& app, Parsed& parsed) {
  app.require_subcommand(1);
  app.set_version_flag("-V,--version", "postwain " + std::string(kVersion));
  app.add_option("-c,--config", parsed.options.config_file, "configuration file")
      ->capture_default_str();
  ClientOptions& options = parsed.options;
  add_command(app, parsed, "run", "start everything and stay in the foreground", false,
              [&options] { return run_command(options.config_file); });
  add_check(app, parsed);
  add_command(app, parsed, "selftest", "what each process can do, and what it cannot", true,
              [&options] { return selftest_command(options); });
  add_command(app, parsed, ipc::word_of(Command::status), "state, processes and size of the queue",
              true, [&options] { return status_command(options); });
  add_command(app, parsed, ipc::word_of(Command::reload), "use the changed configuration", true,
              [&options] { return reload_command(options); });
  add_command(app, parsed, ipc::word_of(Command::stop), "let everything finish and stop", true,
              [&options] { return stop_command(options); });
  add_queue(app, parsed);
  add_preview(app, parsed);
  add_simulate(app, parsed);
  add_trace(app, parsed);
  add_watch(app, parsed);
  add_explain(app, parsed);
  add_filter_trials(app, parsed);
  add_dkim(app, parsed);
  add_completion(app, parsed);
  CLI::App* words = app.add_subcommand(
      "postfix-log", "from standard input: our log in the words of Postfix, for pflogsumm");
  words->callback([&parsed] { parsed.run = postfix_log_command; });
  app.add_subcommand("sendmail", "submit a message from standard input, as sendmail(1)");
  add_command(app, parsed, "version", "print the version", false, [] {
    fmt::print("postwain {}\n", kVersion);
    return static_cast<int>(kExitOk);
  });
}

// The word that stands in the place of a command and is none; empty: there is no such.
std::string unknown_command(const CLI::App& app, const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::RequiredError*>(&error) == nullptr) return {};
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  if (at->get_subcommands({}).empty()) return {};
  for (const std::string& word : at->remaining())
    if (!word.empty() && word.front() != '-') return word;
  return {};
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("Postwain, a store-and-forward mail transfer agent", "postwain");
  Parsed parsed;
  build(app, parsed);
  // CLI11 reports by exceptions; they end here.
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (std::string word = unknown_command(app, error); !word.empty())
      return fail(kExitUsage, fmt::format("there is no command '{}'; see --help", printable(word)));
    bool asked_for = error.get_exit_code() == 0;  // --help, --version
    int code = app.exit(error);
    return asked_for ? code : kExitUsage;
  }
  return parsed.run ? parsed.run() : kExitUsage;
}

std::string base_name(const char* path) {
  std::string name = path == nullptr ? "" : path;
  return name.substr(name.rfind('/') + 1);
}

// sendmail's arguments are older than any parser's rules, so they never reach CLI11.
bool is_sendmail_call(const std::vector<std::string>& words, std::string& config_file,
                      std::vector<std::string>& rest) {
  std::size_t at = 0;
  while (at < words.size()) {
    if ((words[at] == "--config" || words[at] == "-c") && at + 1 < words.size()) {
      config_file = words[at + 1];
      at += 2;
    } else if (words[at].compare(0, 9, "--config=") == 0) {
      config_file = words[at++].substr(9);
    } else {
      break;
    }
  }
  if (at == words.size() || words[at] != "sendmail") return false;
  rest.assign(words.begin() + static_cast<std::ptrdiff_t>(at) + 1, words.end());
  return true;
}

}  // namespace

int run_command_line(int argc, char** argv) {
  std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  std::string called_as = base_name(argc > 0 ? argv[0] : nullptr);
  if (called_as == "sendmail" || called_as == "mailq" || called_as == "newaliases") {
    if (called_as == "newaliases") words.insert(words.begin(), "-bi");
    return sendmail_command(words, kDefaultConfig, called_as == "mailq");
  }
  std::string config_file = kDefaultConfig;
  std::vector<std::string> rest;
  if (is_sendmail_call(words, config_file, rest)) return sendmail_command(rest, config_file, false);
  if (words.size() == 1 && words[0] == "help") {
    char help[] = "--help";
    char* replaced[] = {argv[0], help, nullptr};
    return parse_and_run(2, replaced);
  }
  return parse_and_run(argc, argv);
}

}  // namespace postwain::tool
