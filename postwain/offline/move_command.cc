#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/config/document/database_address.h"
#include "common/config/load/bundle.h"

#include "postwain/offline/database_link.h"
#include "postwain/offline/offline_commands.h"
#include "postwain/offline/qmgr_tool.h"
#include "postwain/process/programs.h"

namespace postwain::tool {

namespace {

constexpr std::string_view kFilePrefix = "file:";
constexpr std::size_t kPasswordFileMax = 4096;

Result<std::string> password_of(const std::string& named) {
  if (named.empty()) return std::string();
  if (!named.starts_with(kFilePrefix))
    return Error{"--from-password is named as \"file:/path\"", kExitUsage};
  std::string path = named.substr(kFilePrefix.size());
  Result<std::string> text = read_small_file(path, kPasswordFileMax);
  if (!text) return Error{text.error().text, kExitNoInput};
  if (auto password = config::database_password(*text)) return *password;
  return Error{path + ": its first line is the password, and has 1 to 1024 characters",
               kExitDataError};
}

// db-link is told by the configuration how to reach a host, and that names the other end.
Status check_source(const std::string& from) {
  std::string why;
  auto address = config::parse_database_address(from, why);
  if (!address || !address->over_network()) return {};
  return Error{
      "--from names a host of the network, and only [queue] store may; on the machine of the "
      "database name the folder of its Unix socket, such as ?host=/run/postgresql",
      kExitUsage};
}

// from: "sqlite" or an address.
int run_store_tool(const ClientOptions& options, const char* word, const std::string& from,
                   const std::string& from_password) {
  config::Loaded loaded = config::load(options.config_file);
  if (!loaded.diagnostics.empty())
    return fail(kExitConfig, loaded.diagnostics.front().text() + " (postwain check)");
  auto programs = find_programs();
  if (!programs) return fail(kExitUnavailable, programs.error().text);
  auto spool = real_path(loaded.config.spool_dir);
  if (!spool) return fail(kExitIoError, spool.error().text);
  auto link = DatabaseLink::start(loaded, *programs);
  if (!link) return fail(link.error().code, link.error().text);
  const config::QueueDatabase& to = loaded.config.queue.store;
  std::string target = to.address ? "postgresql:" + to.address->conninfo() : "sqlite";
  std::string node = to.node.empty() ? config::default_node_name(loaded.config.hostname) : to.node;
  return run_qmgr_tool({*programs + "/qmgr",
                        *spool,
                        *spool,
                        {word, *spool},
                        fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n", from, from_password, target,
                                    to.password, node, loaded.config.runtime_dir)});
}

}  // namespace

// The passwords are read with our rights, before they are given up.
int move_command(const ClientOptions& options, const MoveOptions& move) {
  if (move.from.find('\n') != std::string::npos)
    return fail(kExitUsage, "--from: an address is one line");
  if (Status good = check_source(move.from); !good)
    return fail(good.error().code, good.error().text);
  Result<std::string> password = password_of(move.from_password);
  if (!password) return fail(password.error().code, password.error().text);
  return run_store_tool(options, options.json ? "move-json" : "move", move.from, *password);
}

int take_over_command(const ClientOptions& options) {
  return run_store_tool(options, "take-over", "sqlite", {});
}

}  // namespace postwain::tool
