#include "common/base/sysexits.h"
#include "common/config/load/bundle.h"

#include "postwain/client/cluster_text.h"
#include "postwain/offline/offline_commands.h"
#include "postwain/offline/store_tool.h"

namespace postwain::tool {

int cluster_check_command(const ClientOptions& options) {
  config::Loaded loaded = config::load(options.config_file);
  if (!loaded.diagnostics.empty())
    return fail(kExitConfig, loaded.diagnostics.front().text() + " (postwain check)");
  if (!loaded.config.queue.store.address) return fail(kExitUsage, kOneMachineQueue);
  StoreTool tool{options.json ? "cluster-check-json" : "cluster-check"};
  tool.only_looks = true;
  return run_store_tool(loaded, tool);
}

}  // namespace postwain::tool
