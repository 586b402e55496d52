#include "postwain/command_line/options.h"

#include <utility>

namespace postwain::tool {

std::string sub_word(ipc::OperatorCommand command) {
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

}  // namespace postwain::tool
