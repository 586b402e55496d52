#include "postwain/process/trust.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/config/config.h"
#include "postwain/process/identity.h"
#include "postwain/process/take_over.h"

namespace postwain::tool {

namespace {

std::string parent_of(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Error foreign(const std::string& path, uid_t owner) {
  return Error{fmt::format("{} belongs to the user with number {}, who could read and change what "
                           "is put there; give it to the right user (chown) or use another folder",
                           path, owner),
               EPERM};
}

Error open_to_others(const std::string& path, mode_t mode) {
  return Error{fmt::format("{} has mode {:04o}: others could put something else in place of what "
                           "belongs there; take their right to write away (chmod go-w)",
                           path, mode & 07777),
               EPERM};
}

bool is_closed(mode_t mode) {
  return (mode & (S_IWGRP | S_IWOTH)) == 0;
}

// A command of root's may have been meant for an instance of an ordinary user.
bool owns_its_folders(uid_t who, const config::Config& config) {
  struct stat runtime {};
  struct stat spool {};
  return ::stat(config.runtime_dir.c_str(), &runtime) == 0 && runtime.st_uid == who &&
         ::stat(config.spool_dir.c_str(), &spool) == 0 && spool.st_uid == who;
}

}  // namespace

namespace {

// Also the numbers that stood for our users before: what belongs to them is taken over.
bool is_trusted(uid_t who, const std::set<uid_t>& trusted) {
  return trusted.contains(who) || (::geteuid() == 0 && is_stand_in(who));
}

}  // namespace

std::set<uid_t> trusted_users(const config::Config& config, Kind kind, std::string_view key) {
  std::set<uid_t> out{0, ::geteuid()};
  if (auto user = identity_of(kind, config.users)) out.insert(user->uid);
  config::Origin named = config.place_of("", key);
  struct stat info {};
  if (named.line > 0 && ::stat(named.file.c_str(), &info) == 0) out.insert(info.st_uid);
  return out;
}

Status check_folder(const std::string& path, const std::set<uid_t>& trusted, OthersMayAdd others) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return system_error(path, errno);
  // A link is as good as whoever made it; what counts is where it leads.
  if (S_ISLNK(info.st_mode) && !is_trusted(info.st_uid, trusted)) return foreign(path, info.st_uid);
  if (::stat(path.c_str(), &info) != 0) return system_error(path, errno);
  if (!S_ISDIR(info.st_mode)) return Error{path + " is no folder", ENOTDIR};
  if (!is_trusted(info.st_uid, trusted)) return foreign(path, info.st_uid);
  bool meant = others == OthersMayAdd::yes && (info.st_mode & S_ISVTX) != 0;
  if (!is_closed(info.st_mode) && !meant) return open_to_others(path, info.st_mode);
  std::string parent = parent_of(path);
  if (::stat(parent.c_str(), &info) != 0) return system_error(parent, errno);
  if (!is_trusted(info.st_uid, trusted)) return foreign(parent, info.st_uid);
  // Root's own group is root.
  bool open = (info.st_mode & S_IWOTH) != 0 || ((info.st_mode & S_IWGRP) != 0 && info.st_gid != 0);
  if (open && (info.st_mode & S_ISVTX) == 0) return open_to_others(parent, info.st_mode);
  return {};
}

Status check_server(const config::Config& config,
                    const std::optional<net::PeerCredentials>& server) {
  if (!server) return Error{"the kernel does not say who listens there", kExitTempFail};
  if (trusted_users(config, Kind::qmgr, "runtime_dir").contains(server->uid)) return {};
  if (::geteuid() == 0 && owns_its_folders(server->uid, config)) return {};
  return Error{
      fmt::format("somebody else listens at {}: the user with number {} is neither root nor "
                  "the queue's user",
                  config.qmgr_socket(), server->uid),
      kExitTempFail};
}

Status give_up_root_for(const net::PeerCredentials& server) {
  if (::geteuid() != 0 || server.uid == 0) return {};
  if (assume(Identity{server.uid, server.gid, false})) return {};
  return Error{"root's rights cannot be given up: " + system_error("setuid", errno).text,
               kExitOsError};
}

}  // namespace postwain::tool
