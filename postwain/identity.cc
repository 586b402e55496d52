#include "postwain/identity.h"

#include <cerrno>

#include <pwd.h>

#include <fmt/format.h>

#include "common/base/file.h"

namespace postwain::tool {

namespace {

struct Wanted {
  const std::string& name;
  std::string default_name;
  uid_t fallback;
};

Result<Identity> resolve(const Wanted& wanted, bool& fell_back) {
  std::vector<char> buffer(64 << 10);
  passwd entry{};
  passwd* found = nullptr;
  int error = getpwnam_r(wanted.name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr) {
    if (found->pw_uid == 0)
      return Error{fmt::format("[users] user '{}' is root; mail must not run as root", wanted.name),
                   EPERM};
    return Identity{found->pw_uid, found->pw_gid};
  }
  if (wanted.name == wanted.default_name) {
    fell_back = true;
    return Identity{wanted.fallback, wanted.fallback};
  }
  if (error != 0 && error != ENOENT) return system_error("user " + wanted.name, error);
  return Error{fmt::format("[users] there is no user '{}'", wanted.name), ENOENT};
}

}  // namespace

Result<Identities> resolve_identities(const config::Users& users, uid_t own) {
  Identities out;
  if (own != 0) return out;
  config::Users defaults;
  bool fell_back = false;
  auto queue = resolve(Wanted{users.queue, defaults.queue, kFallbackQueueId}, fell_back);
  if (!queue) return queue.error();
  auto network = resolve(Wanted{users.network, defaults.network, kFallbackNetworkId}, fell_back);
  if (!network) return network.error();
  out.queue = *queue;
  out.network = *network;
  if (fell_back)
    out.warnings.push_back(
        fmt::format("the users {} and {} do not both exist on this machine: the numbers {} and {} "
                    "serve instead",
                    users.queue, users.network, queue->uid, network->uid));
  return out;
}

}  // namespace postwain::tool
