#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"

#include "postwain/offline/offline_commands.h"
#include "postwain/offline/qmgr_tool.h"
#include "postwain/process/programs.h"

namespace postwain::tool {

int recover_command(const ClientOptions& options, const std::string& folder) {
  auto config = client_config(options.config_file);
  if (!config) return fail(config.error().code, config.error().text);
  if (config->queue.store.address)
    return fail(kExitUsage,
                "[queue] store names a database, which is restored by its own means; "
                "only a queue in spool_dir is recovered so");
  auto programs = find_programs();
  if (!programs) return fail(kExitUnavailable, programs.error().text);
  auto spool = real_path(config->spool_dir);
  if (!spool) return fail(kExitIoError, spool.error().text);
  if (::mkdir(folder.c_str(), 0700) != 0)
    return fail(kExitCantCreate, system_error(folder, errno).text);
  auto made = real_path(folder);
  if (!made) return fail(kExitCantCreate, made.error().text);
  int code = run_qmgr_tool({*programs + "/qmgr",
                            *spool,
                            *made,
                            {options.json ? "recover-json" : "recover", *spool, *made},
                            {}});
  // Where nothing came of it; a folder that is not empty stays.
  if (code != kExitOk) (void)::rmdir(made->c_str());
  return code;
}

}  // namespace postwain::tool
