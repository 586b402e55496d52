#include "postwain/identity.h"

#include <cerrno>

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

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
    return Identity{found->pw_uid, found->pw_gid, false};
  }
  if (wanted.name == wanted.default_name) {
    fell_back = true;
    return Identity{wanted.fallback, wanted.fallback, false};
  }
  if (error != 0 && error != ENOENT) return system_error("user " + wanted.name, error);
  return Error{fmt::format("[users] there is no user '{}'", wanted.name), ENOENT};
}

// Of root's rights only this one, and through exec.
bool keep_search_right() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  constexpr unsigned kSearch = 1U << CAP_DAC_READ_SEARCH;
  data[0].permitted = data[0].effective = data[0].inheritable = kSearch;
  return ::syscall(SYS_capset, &header, data) == 0 &&
         ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) == 0;
}

}  // namespace

bool assume(const Identity& who) {
  if (who.search_folders && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return false;
  if (::setgroups(0, nullptr) != 0 || ::setresgid(who.gid, who.gid, who.gid) != 0 ||
      ::setresuid(who.uid, who.uid, who.uid) != 0)
    return false;
  return !who.search_folders || keep_search_right();
}

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
  out.fallback = fell_back;
  if (fell_back)
    out.warnings.push_back(
        fmt::format("the users {} and {} do not both exist on this machine: the numbers {} and {} "
                    "serve instead",
                    users.queue, users.network, queue->uid, network->uid));
  return out;
}

}  // namespace postwain::tool
