#include "postwain/supervisor/folders.h"

#include <cerrno>
#include <cstring>
#include <set>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/config.h"
#include "postwain/client/drop.h"
#include "postwain/client/running.h"
#include "postwain/process/adopt_spool.h"
#include "postwain/process/take_over.h"
#include "postwain/process/trust.h"
#include "postwain/supervisor/foreign_folder.h"

namespace postwain::tool {

namespace {

// A new folder's name must survive a power cut as surely as the mail below it.
Status sync_parent(const std::string& path) {
  std::size_t slash = path.rfind('/');
  std::string parent = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  UniqueFd folder(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) return system_error(parent, errno);
  return {};
}

// The folders above are made for everyone to pass through, the last one with its own mode.
Status make_folder(const std::string& path, mode_t mode) {
  for (std::size_t at = 1; at <= path.size(); ++at) {
    if (at != path.size() && path[at] != '/') continue;
    std::string part = path.substr(0, at);
    bool last = path.find_first_not_of('/', at) == std::string::npos;
    if (::mkdir(part.c_str(), last ? mode : 0755) == 0) {
      // The umask must not make the folders above the spool unreachable for its user.
      if (::chmod(part.c_str(), last ? mode : 0755) != 0) return system_error(part, errno);
      if (Status synced = sync_parent(part); !synced) return synced;
    } else if (errno != EEXIST) {
      return system_error(part, errno);
    }
    if (last) break;
  }
  return {};
}

Status own_folder(const std::string& path, mode_t mode, const Identity* owner,
                  const std::set<uid_t>& trusted) {
  if (Status made = make_folder(path, mode); !made) return made;
  auto others = (mode & S_ISVTX) != 0 ? OthersMayAdd::yes : OthersMayAdd::no;
  if (Status ours = check_folder(path, trusted, others); !ours) return ours;
  UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return system_error(path, errno);
  if (owner == nullptr) return {};
  if (Status taken = take_over(path, *owner); !taken) return taken;
  if (::fchown(folder.get(), owner->uid, owner->gid) != 0) return system_error(path, errno);
  if (::fchmod(folder.get(), mode) != 0) return system_error(path, errno);
  return {};
}

// Whether that user can get at the path: asked of the kernel, by a process that is that user.
bool reachable_as(const Identity& who, const std::string& path, int mode) {
  pid_t pid = ::fork();
  if (pid == 0) {
    // AT_EACCESS: by the effective rights, which are what counts later.
    bool dropped = assume(who);
    ::_exit(dropped && ::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0 ? 0 : 1);
  }
  int status = 0;
  while (pid > 0 && ::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Status check_reachable(const Identity& who, const std::string& path, int mode) {
  if (reachable_as(who, path, mode)) return {};
  return Error{fmt::format("{}: the user with number {} cannot get there; a folder above it is "
                           "closed to other users (see: namei -l {})",
                           path, who.uid, path),
               EACCES};
}

Status check_users(const config::Config& config, const Identities& users) {
  const Identity& queue = users.at(Kind::qmgr);
  if (Status s = check_reachable(queue, config.spool_dir, W_OK | X_OK); !s) return s;
  if (Status s = check_reachable(queue, config.runtime_dir, W_OK | X_OK); !s) return s;
  const Identity& collector = users.at(Kind::pickup);
  if (!config.drop_dir.empty())
    if (Status s = check_reachable(collector, config.drop_dir, R_OK | W_OK | X_OK); !s) return s;
  for (const Identity& who : users.of)
    if (Status s = check_reachable(who, config.runtime_dir, X_OK); !s) return s;
  return {};
}

}  // namespace

namespace {

// The folder for contents may be a link to another disk, whose owner is not told by the spool's.
Status prepare_spool(const std::string& path, const Identity* owner,
                     const std::set<uid_t>& trusted) {
  std::string content = path + "/content";
  struct stat info {};
  bool is_link = ::lstat(content.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
  if (owner != nullptr && is_link) {
    if (Status taken = take_over(content, *owner); !taken) return taken;
    if (::stat(content.c_str(), &info) == 0 && is_stand_in(info.st_uid) &&
        ::chown(content.c_str(), owner->uid, owner->gid) != 0)
      return system_error(content, errno);
  }
  return own_folder(path, 0700, owner, trusted);
}

// Where nobody asked for it by name it is no reason not to start: an ordinary user may have no
// right to make it beside his spool.
Status prepare_drop_folder(const config::Config& config, Identities& identities,
                           const Identity* owner) {
  if (config.drop_dir.empty()) return {};
  Status done = own_folder(config.drop_dir, kDropMode, owner,
                           trusted_users(config, Kind::pickup, "drop_dir"));
  bool asked_for = config.place_of("", "drop_dir").line > 0;
  if (done || asked_for) return done;
  identities.warnings.push_back(done.error().text +
                                "; sendmail cannot leave messages there while Postwain is stopped");
  return {};
}

}  // namespace

Status prepare_folders(const config::Config& config, Identities& identities) {
  const Identity* owner = identities.change ? &identities.at(Kind::qmgr) : nullptr;
  if (owner != nullptr)
    if (Status done = adopt_spool(config.spool_dir, *owner, identities.warnings); !done)
      return done;
  std::set<uid_t> trusted = trusted_users(config, Kind::qmgr, "runtime_dir");
  if (Status done = own_folder(config.runtime_dir, 0755, owner, trusted); !done) return done;
  trusted = trusted_users(config, Kind::qmgr, "spool_dir");
  if (Status done = prepare_spool(config.spool_dir, owner, trusted); !done) return done;
  const Identity* collector = owner == nullptr ? nullptr : &identities.at(Kind::pickup);
  if (Status done = prepare_drop_folder(config, identities, collector); !done) return done;
  if (owner == nullptr) return {};
  Status reachable = check_users(config, identities);
  if (reachable || !identities.fallback) return reachable;
  for (Identity& who : identities.of) who.search_folders = true;
  identities.warnings.push_back(
      reachable.error().text +
      "; because nothing is installed here, the processes keep the right to pass closed folders");
  return check_users(config, identities);
}

namespace {

Status prepare_folder_of(Kind kind, const std::string& folder, const char* section,
                         const config::Config& config, const Identities& identities) {
  const Identity* owner = identities.change ? &identities.at(kind) : nullptr;
  if (owner != nullptr)
    if (Status fit = check_may_own(folder, kind, identities); !fit) return fit;
  std::set<uid_t> trusted = trusted_users(config, kind, section);
  if (Status done = own_folder(folder, 0700, owner, trusted); !done) return done;
  return owner == nullptr ? Status{} : check_reachable(*owner, folder, R_OK | W_OK | X_OK);
}

}  // namespace

Status prepare_tls_reports_folder(const config::Config& config, const Identities& identities) {
  return prepare_folder_of(Kind::reporter, config.tls_reports.folder, "tls_reports", config,
                           identities);
}

Status prepare_dmarc_reports_folder(const config::Config& config, const Identities& identities) {
  return prepare_folder_of(Kind::reporter, config.dmarc_reports.folder, "dmarc_reports", config,
                           identities);
}

Status prepare_strangers_folder(const config::Config& config, const Identities& identities) {
  return prepare_folder_of(Kind::filter, config.strangers.folder, "strangers", config, identities);
}

Result<UniqueFd> lock_runtime_dir(const std::string& runtime_dir) {
  std::string path = lock_file(runtime_dir);
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd) return system_error(path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_error(path, errno);
    auto holder = read_small_fd(fd.get(), 64);
    std::string pid = holder ? std::string(trim(holder->substr(0, holder->find('\n')))) : "";
    return Error{fmt::format("postwain already runs here: {} is held{}", path,
                             pid.empty() ? "" : " by process " + printable(pid)),
                 EWOULDBLOCK};
  }
  // The number is for people only; the lock is what counts.
  std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd.get(), 0) != 0 || !write_all(fd.get(), pid)) return system_error(path, errno);
  return fd;
}

}  // namespace postwain::tool
