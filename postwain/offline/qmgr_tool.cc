#include "postwain/offline/qmgr_tool.h"

#include <cerrno>
#include <cstdio>
#include <optional>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"

#include "postwain/client/client_options.h"
#include "postwain/process/identity.h"

namespace postwain::tool {

namespace {

// The owner of the spool cannot pass a folder above the program or the spool where nothing is
// installed, and then qmgr has had the right to pass them as well (folders.h).
bool is_closed_to_us(const QmgrTool& tool) {
  return ::faccessat(AT_FDCWD, tool.program.c_str(), X_OK, AT_EACCESS) != 0 ||
         ::faccessat(AT_FDCWD, tool.spool.c_str(), R_OK | X_OK, AT_EACCESS) != 0;
}

int exit_status_of(pid_t pid) {
  int status = 0;
  while (pid > 0 && ::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Whether the owner gets at the spool and the program by his own rights; asked by a process that
// has no others.
bool is_open_to(const Identity& owner, const QmgrTool& tool) {
  pid_t pid = ::fork();
  if (pid == 0) ::_exit(assume(owner) && !is_closed_to_us(tool) ? 0 : 1);
  return exit_status_of(pid) == 0;
}

// Where we are root and the spool is somebody else's. The folder becomes his.
Result<std::optional<Identity>> owner_for(const QmgrTool& tool) {
  UniqueFd folder(::open(tool.folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return Error{system_error(tool.folder, errno).text, kExitCantCreate};
  if (::geteuid() != 0) return std::optional<Identity>();
  struct stat info {};
  if (::stat(tool.spool.c_str(), &info) != 0)
    return Error{system_error(tool.spool, errno).text, kExitIoError};
  if (info.st_uid == 0) return std::optional<Identity>();
  if (::fchown(folder.get(), info.st_uid, info.st_gid) != 0)
    return Error{system_error(tool.folder, errno).text, kExitIoError};
  Identity owner{info.st_uid, info.st_gid, false};
  owner.search_folders = !is_open_to(owner, tool);
  return std::optional<Identity>(owner);
}

// Secrets among it are in no file, and in nobody's list of arguments.
bool give_input(const std::string& input) {
  UniqueFd fd(::memfd_create("postwain-input", MFD_CLOEXEC));
  return fd && write_all(fd.get(), input) && ::lseek(fd.get(), 0, SEEK_SET) == 0 &&
         ::dup2(fd.get(), STDIN_FILENO) >= 0;
}

// Only returns when it cannot be done: a sysexits code.
int become_qmgr(const QmgrTool& tool, const Identity* owner) {
  if (owner != nullptr && !assume(*owner))
    return fail(kExitOsError,
                "root's rights cannot be given up: " + system_error("setuid", errno).text);
  if (::faccessat(AT_FDCWD, tool.folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
    return fail(kExitCantCreate,
                fmt::format("{}: the owner of the spool, whose rights are enough for this, cannot "
                            "write there; it must be a folder that he can reach",
                            system_error(tool.folder, errno).text));
  if (!give_input(tool.input)) return fail(kExitOsError, system_error("memfd", errno).text);
  std::vector<std::string> words = tool.words;
  words.insert(words.begin(), tool.program);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execv(tool.program.c_str(), arguments.data());
  return fail(kExitOsError, system_error(tool.program, errno).text);
}

}  // namespace

int run_qmgr_tool(const QmgrTool& tool) {
  auto owner = owner_for(tool);
  if (!owner) return fail(owner.error().code, owner.error().text);
  std::fflush(nullptr);
  pid_t pid = ::fork();
  if (pid == 0) {
    int code = become_qmgr(tool, *owner ? &**owner : nullptr);
    std::fflush(nullptr);
    ::_exit(code);
  }
  int code = exit_status_of(pid);
  return code >= 0 ? code : fail(kExitOsError, "qmgr ended unexpectedly");
}

}  // namespace postwain::tool
