#include <cerrno>
#include <cstdio>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "postwain/commands/backup_command.h"
#include "postwain/process/identity.h"
#include "postwain/process/programs.h"

namespace postwain::tool {

namespace {

struct Recovery {
  std::string program;  // qmgr
  std::string spool;
  std::string folder;  // the new one; both without links, and from the root on
  bool json = false;
};

// The owner of the spool cannot pass a folder above the program or the spool where nothing is
// installed, and then qmgr has had the right to pass them as well (folders.h).
bool is_closed_to_us(const Recovery& recovery) {
  return ::faccessat(AT_FDCWD, recovery.program.c_str(), X_OK, AT_EACCESS) != 0 ||
         ::faccessat(AT_FDCWD, recovery.spool.c_str(), R_OK | X_OK, AT_EACCESS) != 0;
}

// Whether the owner gets at the spool and the program by his own rights; asked by a process that
// has no others.
bool is_open_to(const Identity& owner, const Recovery& recovery) {
  pid_t pid = ::fork();
  if (pid == 0) ::_exit(assume(owner) && !is_closed_to_us(recovery) ? 0 : 1);
  int status = 0;
  while (pid > 0 && ::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Only returns when it cannot be done: a sysexits code.
int become_qmgr(const Recovery& recovery, const Identity* owner) {
  if (owner != nullptr && !assume(*owner))
    return fail(kExitOsError,
                "root's rights cannot be given up: " + system_error("setuid", errno).text);
  if (::faccessat(AT_FDCWD, recovery.folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
    return fail(kExitCantCreate,
                fmt::format("{}: the owner of the spool, whose rights are enough for this, cannot "
                            "get there; name a folder that he can reach",
                            system_error(recovery.folder, errno).text));
  ::execl(recovery.program.c_str(), recovery.program.c_str(),
          recovery.json ? "recover-json" : "recover", recovery.spool.c_str(),
          recovery.folder.c_str(), static_cast<char*>(nullptr));
  return fail(kExitOsError, system_error(recovery.program, errno).text);
}

// Whoever the spool belongs to, where we are root and he is not. The new folder becomes his.
Result<std::optional<Identity>> owner_for(const Recovery& recovery, int folder) {
  if (::geteuid() != 0) return std::optional<Identity>();
  struct stat info {};
  if (::stat(recovery.spool.c_str(), &info) != 0) return system_error(recovery.spool, errno);
  if (info.st_uid == 0) return std::optional<Identity>();
  if (::fchown(folder, info.st_uid, info.st_gid) != 0) return system_error(recovery.folder, errno);
  Identity owner{info.st_uid, info.st_gid, false};
  owner.search_folders = !is_open_to(owner, recovery);
  return std::optional<Identity>(owner);
}

int recover_into(const Recovery& recovery) {
  UniqueFd folder(::open(recovery.folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return fail(kExitCantCreate, system_error(recovery.folder, errno).text);
  auto owner = owner_for(recovery, folder.get());
  if (!owner) return fail(kExitIoError, owner.error().text);
  std::fflush(nullptr);
  pid_t pid = ::fork();
  if (pid == 0) {
    int code = become_qmgr(recovery, *owner ? &**owner : nullptr);
    std::fflush(nullptr);
    ::_exit(code);
  }
  int status = 0;
  while (pid > 0 && ::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (pid < 0 || !WIFEXITED(status)) return fail(kExitOsError, "qmgr ended unexpectedly");
  return WEXITSTATUS(status);
}

}  // namespace

int recover_command(const ClientOptions& options, const std::string& folder) {
  auto config = client_config(options.config_file);
  if (!config) return fail(config.error().code, config.error().text);
  auto programs = find_programs();
  if (!programs) return fail(kExitUnavailable, programs.error().text);
  auto spool = real_path(config->spool_dir);
  if (!spool) return fail(kExitIoError, spool.error().text);
  if (::mkdir(folder.c_str(), 0700) != 0)
    return fail(kExitCantCreate, system_error(folder, errno).text);
  auto made = real_path(folder);
  if (!made) return fail(kExitCantCreate, made.error().text);
  int code = recover_into({*programs + "/qmgr", *spool, *made, options.json});
  // Where nothing came of it; a folder that is not empty stays.
  if (code != kExitOk) (void)::rmdir(made->c_str());
  return code;
}

}  // namespace postwain::tool
