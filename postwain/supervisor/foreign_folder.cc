#include "postwain/supervisor/foreign_folder.h"

#include <algorithm>
#include <cerrno>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/text.h"
#include "postwain/process/take_over.h"

namespace postwain::tool {

namespace {

struct CloseEntries {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

bool stands_for(uid_t uid, Kind kind) {
  auto place = static_cast<uid_t>(kind);
  return uid == kFallbackId + place || uid == kFormerFallbackId + place;
}

// Whether the number is that of another of our processes.
bool is_of_another(uid_t uid, Kind kind, const Identities& identities) {
  if (uid == identities.at(kind).uid || stands_for(uid, kind)) return false;
  return is_stand_in(uid) || std::any_of(identities.of.begin(), identities.of.end(),
                                         [&](const Identity& one) { return one.uid == uid; });
}

Error not_given(const std::string& path, uid_t uid, const std::string& folder) {
  return Error{fmt::format("{} belongs to the user with number {}, so {} is not given to another "
                           "one; name a folder that is empty or not there yet, or give it, with "
                           "all that is in it, to the right user (chown -R)",
                           printable(path), uid, folder),
               EPERM};
}

}  // namespace

Status check_may_own(const std::string& folder, Kind kind, const Identities& identities) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno == ENOENT ? Status() : Status(system_error(folder, errno));
  uid_t owner = identities.at(kind).uid;
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return system_error(folder, errno);
  if (info.st_uid == owner) return {};
  if (is_of_another(info.st_uid, kind, identities)) return not_given(folder, info.st_uid, folder);
  std::unique_ptr<DIR, CloseEntries> entries(::fdopendir(fd.get()));
  if (!entries) return system_error(folder, errno);
  int at = fd.release();  // the entries' now
  while (const dirent* entry = ::readdir(entries.get())) {
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (::fstatat(at, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (info.st_uid != owner && !stands_for(info.st_uid, kind))
      return not_given(folder + "/" + name, info.st_uid, folder);
  }
  return {};
}

}  // namespace postwain::tool
