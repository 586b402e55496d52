#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/config/load/bundle.h"

#include "postwain/offline/offline_commands.h"
#include "postwain/offline/qmgr_tool.h"
#include "postwain/process/programs.h"

namespace postwain::tool {

namespace {

constexpr std::string_view kFilePrefix = "file:";
constexpr std::size_t kPasswordFileMax = 4096;

// The first line of the file.
Result<std::string> password_of(const std::string& named) {
  if (named.empty()) return std::string();
  if (!named.starts_with(kFilePrefix))
    return Error{"--from-password is named as \"file:/path\"", kExitUsage};
  Result<std::string> text = read_small_file(named.substr(kFilePrefix.size()), kPasswordFileMax);
  if (!text) return Error{text.error().text, kExitNoInput};
  return std::string(trim(std::string_view(*text).substr(0, text->find('\n'))));
}

}  // namespace

// The passwords are read with our rights, before they are given up.
int move_command(const ClientOptions& options, const MoveOptions& move) {
  config::Loaded loaded = config::load(options.config_file);
  if (!loaded.diagnostics.empty())
    return fail(kExitConfig, loaded.diagnostics.front().text() + " (postwain check)");
  if (move.from.find('\n') != std::string::npos)
    return fail(kExitUsage, "--from: an address is one line");
  Result<std::string> password = password_of(move.from_password);
  if (!password) return fail(password.error().code, password.error().text);
  auto programs = find_programs();
  if (!programs) return fail(kExitUnavailable, programs.error().text);
  auto spool = real_path(loaded.config.spool_dir);
  if (!spool) return fail(kExitIoError, spool.error().text);
  const config::QueueDatabase& to = loaded.config.queue.store;
  std::string target = to.address ? "postgresql:" + to.address->conninfo() : "sqlite";
  return run_qmgr_tool(
      {*programs + "/qmgr",
       *spool,
       *spool,
       {options.json ? "move-json" : "move", *spool},
       fmt::format("{}\n{}\n{}\n{}\n{}\n", move.from, *password, target, to.password, to.node)});
}

}  // namespace postwain::tool
