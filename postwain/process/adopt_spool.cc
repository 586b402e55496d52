#include "postwain/process/adopt_spool.h"

#include <cerrno>
#include <optional>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"

namespace postwain::tool {

namespace {

constexpr int kDepthMax = 4;  // snapshot/content/ID

class Adoption {
 public:
  Adoption(uid_t former, const Identity& owner) : former_(former), owner_(owner) {}

  // fd: a folder or a file that is ours to look at.
  Status take(UniqueFd fd, const std::string& path, int depth) {
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return system_error(path, errno);
    bool folder = S_ISDIR(info.st_mode);
    if (!folder && !S_ISREG(info.st_mode)) return {};
    if (info.st_uid == former_) {
      mode_t mode = (info.st_mode & 07777) | (folder ? 0700 : 0600);
      if (::fchown(fd.get(), owner_.uid, owner_.gid) != 0 || ::fchmod(fd.get(), mode) != 0)
        return system_error(path, errno);
      ++count_;
    }
    return folder && depth < kDepthMax ? walk(std::move(fd), path, depth) : Status{};
  }

  std::size_t count() const { return count_; }

 private:
  Status walk(UniqueFd folder, const std::string& path, int depth) {
    DIR* entries = ::fdopendir(folder.get());
    if (entries == nullptr) return system_error(path, errno);
    int fd = folder.release();  // closed with the entries
    Status done;
    while (const dirent* entry = ::readdir(entries)) {
      std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      // A pipe must not keep us waiting.
      UniqueFd one(::openat(fd, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
      if (!one && (errno == ELOOP || errno == ENOENT || errno == ENXIO)) continue;
      done = one ? take(std::move(one), path + "/" + name, depth + 1)
                 : Status(system_error(path + "/" + name, errno));
      if (!done) break;
    }
    ::closedir(entries);
    return done;
  }

  uid_t former_;
  const Identity& owner_;
  std::size_t count_ = 0;
};

// In a folder where others may add names, the spool can be somebody's who laid it there for us to
// find, with a queue of his own in it; where only root adds names, root has put it there.
bool only_root_adds_beside(const std::string& spool) {
  std::string above = spool;
  while (above.size() > 1 && above.back() == '/') above.pop_back();
  struct stat info {};
  if (::stat((above + "/..").c_str(), &info) != 0) return false;
  return info.st_uid == 0 && (info.st_mode & S_IWOTH) == 0 &&
         ((info.st_mode & S_IWGRP) == 0 || info.st_gid == 0);
}

}  // namespace

Status adopt_spool(const std::string& spool, const Identity& owner,
                   std::vector<std::string>& warnings) {
  UniqueFd folder(::open(spool.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return errno == ENOENT ? Status{} : Status(system_error(spool, errno));
  if (!only_root_adds_beside(spool)) return {};
  std::optional<uid_t> former;
  struct stat info {};
  if (::fstat(folder.get(), &info) == 0 && info.st_uid != owner.uid) former = info.st_uid;
  if (::fstatat(folder.get(), "queue.db", &info, AT_SYMLINK_NOFOLLOW) == 0) {
    if (info.st_uid != owner.uid) former = info.st_uid;
  } else if (errno == ENOENT) {
    return {};  // new, or empty
  }
  if (!former) return {};
  Adoption adoption(*former, owner);
  if (Status done = adoption.take(std::move(folder), spool, 0); !done) return done;
  if (adoption.count() > 0)
    warnings.push_back(
        fmt::format("{}: {} files and folders belonged to the user with number {} "
                    "and now belong to {}",
                    spool, adoption.count(), *former, owner.uid));
  return {};
}

}  // namespace postwain::tool
