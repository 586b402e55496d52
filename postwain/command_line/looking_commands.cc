// Commands that look at mail: what became of it, what happens to it, and what would.
#include "postwain/command_line/options.h"

namespace postwain::tool {

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
  command->add_option("--messages", request.messages, "number of messages")->capture_default_str();
  command->add_option("--recipients", request.recipients, "recipients of each message")
      ->capture_default_str();
  command->add_option("--mailing", request.mailing, "one more message with so many recipients");
  command
      ->add_option("--destinations", request.destinations,
                   "number of destinations, called d1.example, d2.example ...")
      ->capture_default_str();
  command->add_option("--domain", request.domains, "a destination by its name; may be repeated");
  command->add_option("--over", parsed.simulate.over, "the messages arrive within this time")
      ->capture_default_str();
  command->add_option("--latency", parsed.simulate.latency, "duration of an attempt, on average")
      ->capture_default_str();
  command->add_option("--outage", parsed.simulate.outages,
                      "DOMAIN:FROM:TO since the start, such as d1.example:10m:6h or all:0:2h");
  command->add_option("--defer-share", request.defer_share,
                      "share of recipients that are refused for now");
  command->add_option("--fail-share", request.fail_share,
                      "share of recipients that are refused for good");
  command->add_option("--greylist-share", request.greylist_share,
                      "share of recipients that are refused in the first five minutes");
  command
      ->add_option("--seed", request.seed,
                   "seed of the random numbers; another seed gives another run")
      ->capture_default_str();
  command->callback([&parsed] {
    parsed.run = [&parsed] { return simulate_command(parsed.options, parsed.simulate); };
  });
}

void add_trace(CLI::App& app, Parsed& parsed) {
  CLI::App* command = app.add_subcommand(sub_word(ipc::OperatorCommand::trace),
                                         "what became of a message or an address");
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
  CLI::App* command = app.add_subcommand(sub_word(ipc::OperatorCommand::watch),
                                         "what happens to mail, as it happens");
  add_common(*command, parsed, true);
  WatchOptions& watch = parsed.watch;
  command->add_option("--id", watch.id, "of this message");
  command->add_option("--domain", watch.domain, "to recipients in this domain");
  command->add_option("--recipient", watch.recipient, "to this recipient");
  command->add_option("--event", watch.events,
                      "only events of these kinds, such as deferred,failed");
  command->add_option("--count", watch.count, "end after so many events");
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
  command->add_option("--client", question.client,
                      "IP address of the client (default: a stranger's)");
  command->add_option("--helo", question.hello, "what the client says it is")
      ->capture_default_str();
  command->add_option("--account", question.account,
                      "the account by which the client has logged in");
  command->add_flag("--submission", question.submission, "at a submission listener");
  command->add_flag("--no-dns", parsed.explain.no_dns, "do not look the next hop up");
  command->callback([&parsed] {
    parsed.run = [&parsed] { return explain_command(parsed.options, parsed.explain); };
  });
}

void add_filter_trials(CLI::App& app, Parsed& parsed) {
  CLI::App* filter = app.add_subcommand("filter", "try the filters without any effect on mail");
  filter->require_subcommand(1);
  add_command(*filter, parsed, "check", "whether each filter can be asked, and what it asks for",
              true, [&parsed] { return filter_check_command(parsed.options); });
  CLI::App* command =
      filter->add_subcommand("test", "what the filters would decide about a message");
  add_common(*command, parsed, true);
  FilterTestOptions& test = parsed.filter_test;
  command->add_option("message", test.message, "a file, - for standard input, or a queue id")
      ->required();
  command->add_option("--from", test.sender, "the sender (<> for none)");
  command->add_option("--to", test.recipients, "a recipient; may be repeated");
  command->add_option("--client", test.client, "IP address of the client");
  command->add_option("--helo", test.hello, "what the client says it is");
  command->add_option("--listener", test.listener,
                      "address of the [[listener]] (default: the first)");
  command->callback([&parsed] {
    parsed.run = [&parsed] { return filter_test_command(parsed.options, parsed.filter_test); };
  });
}

}  // namespace postwain::tool
