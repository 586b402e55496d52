// What the parts of the command line share: what its options set, and how a command is added. Each
// kind of commands has a source of its own here; command_line.cc puts them together.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "common/ipc/operator_commands.h"
#include "postwain/commands/cluster_command.h"
#include "postwain/commands/destination_command.h"
#include "postwain/commands/filter_command.h"
#include "postwain/commands/queue_command.h"
#include "postwain/commands/trace_command.h"
#include "postwain/commands/transfer_command.h"
#include "postwain/commands/watch_command.h"
#include "postwain/dkim/dkim_commands.h"
#include "postwain/dns_check/dns_check_command.h"
#include "postwain/explain/bounce_preview.h"
#include "postwain/explain/explain_command.h"
#include "postwain/explain/simulate_command.h"
#include "postwain/offline/offline_commands.h"

namespace postwain::tool {

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
  MoveOptions move;
  ClusterOptions cluster;
  std::string shell;  // of completion
  std::function<int()> run;
  std::string folder;  // of queue backup and queue recover
};

// The word of a command of operators, below `queue` or below postwain itself.
std::string sub_word(ipc::OperatorCommand command);
// The options that nearly all commands have.
void add_common(CLI::App& command, Parsed& parsed, bool with_json);
// A command with no other options.
void add_command(CLI::App& app, Parsed& parsed, std::string_view name, const char* what,
                 bool with_json, std::function<int()> run);

// queue_commands.cc
void add_queue(CLI::App& app, Parsed& parsed);
// looking_commands.cc: what became of mail, and what would.
void add_preview(CLI::App& app, Parsed& parsed);
void add_simulate(CLI::App& app, Parsed& parsed);
void add_trace(CLI::App& app, Parsed& parsed);
void add_watch(CLI::App& app, Parsed& parsed);
void add_explain(CLI::App& app, Parsed& parsed);
void add_filter_trials(CLI::App& app, Parsed& parsed);
// cluster_commands.cc
void add_cluster(CLI::App& app, Parsed& parsed);
// setup_commands.cc
void add_check(CLI::App& app, Parsed& parsed);
void add_dkim(CLI::App& app, Parsed& parsed);
void add_completion(CLI::App& app, Parsed& parsed);

}  // namespace postwain::tool
