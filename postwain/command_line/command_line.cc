#include "postwain/command_line/command_line.h"

#include <string>
#include <vector>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "postwain/command_line/options.h"
#include "postwain/commands/postfix_log.h"
#include "postwain/commands/process_commands.h"
#include "postwain/commands/selftest_command.h"
#include "postwain/process/version.h"
#include "postwain/sendmail/sendmail.h"
#include "postwain/supervisor/run.h"

namespace postwain::tool {

namespace {

using Command = ipc::OperatorCommand;

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
  add_cluster(app, parsed);
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
