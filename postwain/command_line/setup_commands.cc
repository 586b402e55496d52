// Commands for setting up: the configuration, keys that sign, and a shell that completes commands.
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "postwain/command_line/options.h"
#include "postwain/commands/process_commands.h"
#include "postwain/completion.h"
#include "postwain/supervisor/run.h"

namespace postwain::tool {

namespace {

CLI::App* add_dkim_command(CLI::App& dkim, Parsed& parsed, const char* name, const char* what,
                           bool needs_domain,
                           int (*run)(const ClientOptions&, const DkimOptions&)) {
  CLI::App* command = dkim.add_subcommand(name, what);
  add_common(*command, parsed, true);
  command->add_option("domain", parsed.dkim.domain, "the domain that signs")
      ->required(needs_domain);
  command->callback(
      [&parsed, run] { parsed.run = [&parsed, run] { return run(parsed.options, parsed.dkim); }; });
  return command;
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

}  // namespace

void add_check(CLI::App& app, Parsed& parsed) {
  CLI::App* command =
      app.add_subcommand("check", "check the configuration; every mistake with its place");
  add_common(*command, parsed, true);
  DnsCheckOptions& dns = parsed.dns_check;
  CLI::Option* wanted = command->add_flag(
      "--dns", dns.wanted, "also check what the DNS says of our host and our domains");
  command->add_option("--domain", dns.domains, "check only this domain; may be repeated")
      ->needs(wanted);
  command
      ->add_option("--address", dns.addresses,
                   "a public address that mail leaves from; may be repeated")
      ->needs(wanted);
  command->add_option("--within", dns.within, "time limit for all DNS questions together")
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

void add_dkim(CLI::App& app, Parsed& parsed) {
  CLI::App* dkim = app.add_subcommand("dkim", "keys that sign mail, and their records in the DNS");
  dkim->require_subcommand(1);
  DkimOptions& options = parsed.dkim;
  CLI::App* make = add_dkim_command(*dkim, parsed, "new", "make a key, and print what to publish",
                                    true, dkim_new_command);
  make->add_option("--selector", options.selector,
                   "the selector in the DNS (default: made of the date and a letter)");
  make->add_option("--algorithm", options.algorithm, "algorithm of the key: rsa or ed25519")
      ->capture_default_str();
  make->add_option("--bits", options.bits,
                   "size of an RSA key: 2048, 3072 or 4096 (default: 2048)");
  make->add_option("--key", options.key_file,
                   "file of the key (default: in dkim/ beside the configuration)");
  make->add_flag("--add", options.add,
                 "also add the key to conf.d/dkim.toml beside the configuration");
  make->add_flag("--sign-now", options.sign_now,
                 "sign with the key at once, whether it is published or not");
  add_dkim_command(*dkim, parsed, "show", "the keys of the configuration, and their records", false,
                   dkim_show_command);
  add_dkim_command(*dkim, parsed, "check", "whether the DNS has the records of our keys", false,
                   dkim_check_command);
  CLI::App* rotate = add_dkim_command(
      *dkim, parsed, "rotate", "make the next key of a domain; once it is published, sign with it",
      true, dkim_rotate_command);
  rotate->add_flag("--force", options.force, "sign with the new key whatever the DNS says");
  rotate->add_flag("--no-reload", options.no_reload, "change the files only, and do not reload");
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

}  // namespace postwain::tool
