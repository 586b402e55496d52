#include "postwain/offline/store_tool.h"

#include <cerrno>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/config/document/database_address.h"

#include "postwain/offline/database_link.h"
#include "postwain/offline/qmgr_tool.h"
#include "postwain/process/identity.h"
#include "postwain/process/programs.h"
#include "postwain/supervisor/folders.h"

namespace postwain::tool {

namespace {

Status make_folders(const config::Config& config) {
  if (::access(config.spool_dir.c_str(), F_OK) == 0) return {};
  auto identities = resolve_identities(config.users, ::geteuid());
  if (!identities) return Error{identities.error().text, kExitConfig};
  if (Status made = prepare_folders(config, *identities); !made)
    return Error{made.error().text, kExitCantCreate};
  return {};
}

std::string input_for(const config::Config& config, const StoreTool& tool) {
  const config::QueueDatabase& to = config.queue.store;
  std::string target = to.address ? "postgresql:" + to.address->conninfo() : "sqlite";
  std::string node = to.node.empty() ? config::default_node_name(config.hostname) : to.node;
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n", tool.from, tool.from_password, target, to.password,
                     node, config.runtime_dir);
}

}  // namespace

int run_store_tool(const config::Loaded& loaded, const StoreTool& tool) {
  auto programs = find_programs();
  if (!programs) return fail(kExitUnavailable, programs.error().text);
  if (tool.only_looks || tool.makes_folders)
    if (Status made = make_folders(loaded.config); !made)
      return fail(made.error().code, made.error().text);
  auto spool = real_path(loaded.config.spool_dir);
  if (!spool && ::access(loaded.config.spool_dir.c_str(), F_OK) != 0 && errno == ENOENT)
    return fail(
        kExitNoInput,
        fmt::format("{} (spool_dir) is not there: Postwain has never been started with this "
                    "configuration, or the folder is on a disk that is not mounted",
                    loaded.config.spool_dir));
  if (!spool) return fail(kExitIoError, spool.error().text);
  auto link = DatabaseLink::start(loaded, *programs);
  const bool runs = !link && link.error().code == kExitTempFail;
  if (!link && !(tool.only_looks && runs)) return fail(link.error().code, link.error().text);
  return run_qmgr_tool(
      {*programs + "/qmgr", *spool, *spool, {tool.word, *spool}, input_for(loaded.config, tool)});
}

int run_store_tool(const ClientOptions& options, const StoreTool& tool) {
  config::Loaded loaded = config::load(options.config_file);
  if (!loaded.diagnostics.empty())
    return fail(kExitConfig, loaded.diagnostics.front().text() + " (postwain check)");
  return run_store_tool(loaded, tool);
}

}  // namespace postwain::tool
