#include "postwain/offline/database_link.h"

#include <cerrno>
#include <csignal>
#include <optional>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "common/base/sysexits.h"
#include "common/daemon/peer_users.h"
#include "postwain/process/child_environment.h"
#include "postwain/process/identity.h"
#include "postwain/process/role_bundle.h"
#include "postwain/process/spawn.h"
#include "postwain/supervisor/database_sockets.h"
#include "postwain/supervisor/folders.h"

namespace postwain::tool {

namespace {

// As the supervisor starts it, but for whom nobody waits to be ready: the sockets are there.
Result<pid_t> spawn_link(const config::Loaded& loaded, const Identities& who,
                         const std::vector<UniqueFd>& sockets, const std::string& programs) {
  config::Bundle bundle = bundle_for(Kind::db_link, loaded);
  bundle.files[daemon::kQueueUserFile] =
      std::to_string(who.change ? who.at(Kind::qmgr).uid : ::geteuid());
  auto sealed = sealed_bundle(bundle);
  if (!sealed) return sealed.error();
  std::string name(name_of(Kind::db_link));
  Program program{programs + "/" + name,
                  {name, "--bundle-fd", "3"},
                  {sealed->get()},
                  who.change ? std::optional(who.at(Kind::db_link)) : std::nullopt,
                  environment_for(Kind::db_link, environ)};
  for (const UniqueFd& socket : sockets) {
    program.arguments.push_back("--listener-fd");
    program.arguments.push_back(std::to_string(3 + program.descriptors.size()));
    program.descriptors.push_back(socket.get());
  }
  return spawn(program);
}

}  // namespace

Result<DatabaseLink> DatabaseLink::start(const config::Loaded& loaded,
                                         const std::string& programs) {
  DatabaseLink out;
  const config::Config& config = loaded.config;
  if (!config.links_database()) return out;
  auto identities = resolve_identities(config.users, ::geteuid());
  if (!identities) return Error{identities.error().text, kExitConfig};
  if (Status done = prepare_folders(config, *identities); !done)
    return Error{done.error().text, kExitCantCreate};
  auto lock = lock_runtime_dir(config.runtime_dir);
  if (!lock) return Error{lock.error().text, kExitTempFail};
  out.lock_ = lock.take();
  auto sockets = bind_database_sockets(config, *identities);
  if (!sockets) return Error{sockets.error().text, kExitCantCreate};
  auto pid = spawn_link(loaded, *identities, *sockets, programs);
  if (!pid) return Error{pid.error().text, kExitOsError};
  out.pid_ = *pid;
  return out;
}

DatabaseLink::DatabaseLink(DatabaseLink&& other) noexcept
    : lock_(std::move(other.lock_)), pid_(std::exchange(other.pid_, 0)) {}

DatabaseLink::~DatabaseLink() {
  if (pid_ == 0) return;
  (void)::kill(pid_, SIGTERM);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace postwain::tool
