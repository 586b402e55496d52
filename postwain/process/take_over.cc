#include "postwain/process/take_over.h"

#include <cerrno>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"

namespace postwain::tool {

namespace {

constexpr int kTakeOverDepthMax = 8;  // content/ has two folders below it

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

class Walk {
 public:
  explicit Walk(const Identity& owner) : owner_(owner) {}

  Status below(UniqueFd fd, const std::string& path, int depth) {
    std::unique_ptr<DIR, CloseFolder> folder(::fdopendir(fd.get()));
    if (!folder) return system_error(path, errno);
    int at = fd.release();  // the folder's now
    while (const dirent* entry = ::readdir(folder.get())) {
      std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (Status done = one(at, name, path + "/" + name, depth); !done) return done;
    }
    return {};
  }

 private:
  Status one(int at, const std::string& name, const std::string& path, int depth) {
    struct stat info {};
    if (::fstatat(at, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      return errno == ENOENT ? Status() : Status(system_error(path, errno));
    if (S_ISDIR(info.st_mode) && depth < kTakeOverDepthMax) {
      UniqueFd fd(::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!fd) return system_error(path, errno);
      if (Status done = below(std::move(fd), path, depth + 1); !done) return done;
    }
    if (!is_stand_in(info.st_uid) || info.st_uid == owner_.uid) return {};
    if (::fchownat(at, name.c_str(), owner_.uid, owner_.gid, AT_SYMLINK_NOFOLLOW) != 0)
      return system_error(path, errno);
    return {};
  }

  const Identity& owner_;
};

}  // namespace

bool is_stand_in(uid_t uid) {
  for (uid_t first : {kFallbackId, kFormerFallbackId})
    if (uid >= first && uid < first + kKinds) return true;
  return false;
}

Status take_over(const std::string& folder, const Identity& owner) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno == ENOENT ? Status() : Status(system_error(folder, errno));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return system_error(folder, errno);
  if (!is_stand_in(info.st_uid) || info.st_uid == owner.uid) return {};
  return Walk(owner).below(std::move(fd), folder, 0);
}

}  // namespace postwain::tool
