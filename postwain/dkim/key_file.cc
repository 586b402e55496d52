#include "postwain/dkim/key_file.h"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/sysexits.h"

namespace postwain::tool {

namespace {

constexpr mode_t kKeyMode = 0600;
constexpr mode_t kKeyFolderMode = 0700;
constexpr mode_t kConfigMode = 0644;
constexpr mode_t kConfigFolderMode = 0755;

std::string folder_of_file(const std::string& path) {
  std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Beside the file; no pattern of `include` matches a name with a dot in front.
std::string temporary_name(const std::string& path) {
  std::size_t slash = path.rfind('/');
  std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  return fmt::format("{}.{}.new", path.substr(0, name), path.substr(name));
}

Status make_missing_folder(const std::string& folder, mode_t mode) {
  if (::mkdir(folder.c_str(), mode) == 0) {
    if (::chmod(folder.c_str(), mode) != 0) return system_error(folder, errno);
    return sync_folder(folder_of_file(folder));
  }
  return errno == EEXIST ? Status() : Status(system_error(folder, errno));
}

// Somebody else could put another key in the place of ours.
Status check_key_folder(const std::string& folder) {
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) return system_error(folder, errno);
  if (info.st_uid != 0 && info.st_uid != ::geteuid())
    return Error{fmt::format("{} belongs to the user with number {}", folder, info.st_uid),
                 kExitNoPermission};
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return Error{fmt::format("others may write to {}; use a folder where they may not", folder),
                 kExitNoPermission};
  return {};
}

// What a run that was killed has left there goes.
Status write_temporary(const std::string& path, std::string_view content, mode_t mode,
                       const struct stat* owner) {
  (void)::unlink(path.c_str());
  UniqueFd file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kKeyMode));
  if (!file) return system_error(path, errno);
  if (owner != nullptr && (owner->st_uid != ::geteuid() || owner->st_gid != ::getegid()) &&
      ::fchown(file.get(), owner->st_uid, owner->st_gid) != 0)
    return system_error(path + ": chown", errno);
  if (::fchmod(file.get(), mode) != 0) return system_error(path + ": chmod", errno);
  if (Status written = write_all(file.get(), content); !written)
    return Error{path + ": " + written.error().text, written.error().code};
  if (::fsync(file.get()) != 0) return system_error(path + ": sync", errno);
  return {};
}

// Never in the place of another file. Some file systems know no such rename; they know links.
Status rename_to_new(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno != EINVAL && errno != ENOSYS) return system_error(to, errno);
    if (::link(from.c_str(), to.c_str()) != 0) return system_error(to, errno);
    (void)::unlink(from.c_str());
  }
  return sync_folder(folder_of_file(to));
}

Status finish(Status done, const std::string& temporary) {
  if (!done) (void)::unlink(temporary.c_str());
  return done;
}

Status write_new_file(const std::string& path, std::string_view content, mode_t mode) {
  std::string temporary = temporary_name(path);
  Status done = write_temporary(temporary, content, mode, nullptr);
  if (done) done = rename_to_new(temporary, path);
  return finish(std::move(done), temporary);
}

}  // namespace

Result<UniqueFd> lock_folder(const std::string& folder) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return system_error(folder, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) return system_error(folder, errno);
  return Error{fmt::format("another postwain dkim is at work in {}", folder), kExitTempFail};
}

Status write_key_file(const std::string& path, std::string_view content) {
  std::string folder = folder_of_file(path);
  if (Status made = make_missing_folder(folder, kKeyFolderMode); !made) return made;
  if (Status good = check_key_folder(folder); !good) return good;
  Status done = write_new_file(path, content, kKeyMode);
  if (!done && done.error().code == EEXIST)
    return Error{path + " is there already, and stays as it is", kExitCantCreate};
  return done;
}

Status replace_config_file(const std::string& path, const std::optional<std::string>& before,
                           std::string_view after) {
  if (!before) {
    if (Status made = make_missing_folder(folder_of_file(path), kConfigFolderMode); !made)
      return made;
    return write_new_file(path, after, kConfigMode);
  }
  auto real = real_path(path);
  if (!real) return real.error();
  auto now = read_small_file(*real);
  if (!now) return now.error();
  if (*now != *before)
    return Error{path + " was changed meanwhile; give the command again", kExitTempFail};
  struct stat info {};
  if (::stat(real->c_str(), &info) != 0) return system_error(*real, errno);
  std::string temporary = temporary_name(*real);
  Status done = write_temporary(temporary, after, info.st_mode & 07777, &info);
  if (done && ::rename(temporary.c_str(), real->c_str()) != 0) done = system_error(*real, errno);
  if (done) return sync_folder(folder_of_file(*real));
  return finish(std::move(done), temporary);
}

}  // namespace postwain::tool
