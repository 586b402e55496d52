#include "postwain/supervisor/database_sockets.h"

#include <cerrno>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/config/config.h"

namespace postwain::tool {

namespace {

constexpr int kLinkBacklog = 64;
constexpr const char* kLinkFolder = "db";

// Through the group of qmgr's user where processes have users of their own: then the folder is
// ours, and qmgr may pass it but put nothing into it.
struct LinkRights {
  std::optional<gid_t> group;
  mode_t mode() const { return group ? 0710 : 0700; }
};

// A folder below the open one, with these rights, whoever made it. It is reached by its descriptor
// from here on, so that whoever owns the folder above cannot put a link in its place.
Result<UniqueFd> link_folder(int above, const std::string& name, const std::string& path,
                             const LinkRights& rights) {
  if (::mkdirat(above, name.c_str(), rights.mode()) != 0 && errno != EEXIST)
    return system_error(path, errno);
  UniqueFd folder(::openat(above, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return system_error(path, errno);
  if (rights.group && ::fchown(folder.get(), ::geteuid(), *rights.group) != 0)
    return system_error(path, errno);
  if (::fchmod(folder.get(), rights.mode()) != 0) return system_error(path, errno);
  return folder;
}

// The folder decides who gets here, and db-link looks at who did.
Result<UniqueFd> bind_in(int folder, const std::string& name, const std::string& path) {
  constexpr mode_t kEverybody = 0666;
  if (::unlinkat(folder, name.c_str(), 0) != 0 && errno != ENOENT) return system_error(path, errno);
  std::string way = fmt::format("/proc/self/fd/{}/{}", folder, name);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (way.size() >= sizeof address.sun_path) return system_error(path, ENAMETOOLONG);
  way.copy(address.sun_path, way.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  mode_t before = ::umask(static_cast<mode_t>(~kEverybody & 0777U));
  bool bound =
      fd && ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  int error = errno;
  ::umask(before);
  if (!bound) return system_error(path, error);
  if (::listen(fd.get(), kLinkBacklog) != 0) return system_error(path, errno);
  return fd;
}

Result<UniqueFd> bind_host(int links, std::size_t number, const config::Config& config,
                           const LinkRights& rights) {
  std::string path = config::database_link_folder(config.runtime_dir, number);
  auto folder = link_folder(links, std::to_string(number), path, rights);
  if (!folder) return folder.error();
  std::string name = config::database_socket_name(config.queue.store.address->hosts[number].port);
  return bind_in(folder->get(), name, path + "/" + name);
}

}  // namespace

Result<std::vector<UniqueFd>> bind_database_sockets(const config::Config& config,
                                                    const Identities& identities) {
  std::vector<UniqueFd> out;
  if (!config.links_database()) return out;
  LinkRights rights;
  if (identities.change) rights.group = identities.at(Kind::qmgr).gid;
  UniqueFd runtime(::open(config.runtime_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!runtime) return system_error(config.runtime_dir, errno);
  auto links =
      link_folder(runtime.get(), kLinkFolder, config.runtime_dir + "/" + kLinkFolder, rights);
  if (!links) return links.error();
  for (std::size_t i = 0; i < config.queue.store.address->hosts.size(); ++i) {
    if (config.queue.store.address->hosts[i].is_local()) continue;
    auto bound = bind_host(links->get(), i, config, rights);
    if (!bound) return bound.error();
    out.push_back(bound.take());
  }
  return out;
}

}  // namespace postwain::tool
