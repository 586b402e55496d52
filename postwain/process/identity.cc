#include "postwain/process/identity.h"

#include <cerrno>

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/config/config.h"
#include "common/sandbox/calls.h"

namespace postwain::tool {

namespace {

constexpr std::array<const char*, kKinds> kDefaultUsers{
    "postwain",         "postwain-smtpd",  "postwain-smtp",   "postwain-lmtp",
    "postwain-metrics", "postwain-pickup", "postwain-tokens", "postwain-reporter",
    "postwain-filter",  "postwain-signer", "postwain-dblink"};
constexpr const char* kDefaultNetworkUser = "postwain-net";

struct Wanted {
  std::string name;
  bool is_default;  // then fixed numbers may stand for it
  uid_t fallback;
};

// A name of its own counts most, then that of all network processes, then the default.
Wanted wanted_for(Kind kind, const config::Users& users) {
  const std::string* own[kKinds] = {&users.queue,       &users.smtpd,    &users.smtp_client,
                                    &users.lmtp_client, &users.metrics,  &users.pickup,
                                    &users.tokens,      &users.reporter, &users.filter,
                                    &users.signer,      &users.db_link};
  auto place = static_cast<std::size_t>(kind);
  std::string standard = kDefaultUsers[place];
  uid_t fallback = kFallbackId + static_cast<uid_t>(place);
  if (!own[place]->empty()) return {*own[place], *own[place] == standard, fallback};
  if (users.network.empty()) return {standard, true, fallback};
  return {users.network, users.network == kDefaultNetworkUser, kFallbackId + 1};
}

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
  if (wanted.is_default) {
    fell_back = true;
    return Identity{wanted.fallback, wanted.fallback, false};
  }
  if (error != 0 && error != ENOENT) return system_error("user " + wanted.name, error);
  return Error{fmt::format("[users] there is no user '{}'", wanted.name), ENOENT};
}

struct Rights {
  std::uint64_t permitted = 0;
  std::uint64_t inheritable = 0;
};

bool set_rights(const Rights& rights) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  for (int half = 0; half < _LINUX_CAPABILITY_U32S_3; ++half) {
    data[half].permitted = data[half].effective =
        static_cast<std::uint32_t>(rights.permitted >> (32 * half));
    data[half].inheritable = static_cast<std::uint32_t>(rights.inheritable >> (32 * half));
  }
  return ::syscall(SYS_capset, &header, data) == 0;
}

// What no program that is executed later can ever have again. Without CAP_SETPCAP it cannot be
// done: whoever started us with so little has done it, and no_new_privs gives nothing back either.
void narrow_bounding_set(std::uint64_t keep) {
  for (int right = 0; right <= CAP_LAST_CAP; ++right)
    if ((keep >> right & 1) == 0) (void)::prctl(PR_CAPBSET_DROP, right, 0, 0, 0);
}

constexpr std::uint64_t kSearch = std::uint64_t{1} << CAP_DAC_READ_SEARCH;

// Of root's rights only this one, and through exec.
bool keep_search_right() {
  return set_rights({kSearch, kSearch}) &&
         ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) == 0;
}

}  // namespace

bool assume(const Identity& who) {
  narrow_bounding_set(who.search_folders ? kSearch : 0);
  if (who.search_folders && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return false;
  if (::setgroups(0, nullptr) != 0 || ::setresgid(who.gid, who.gid, who.gid) != 0 ||
      ::setresuid(who.uid, who.uid, who.uid) != 0)
    return false;
  return !who.search_folders || keep_search_right();
}

Result<Identity> identity_of(Kind kind, const config::Users& users) {
  bool fell_back = false;
  return resolve(wanted_for(kind, users), fell_back);
}

Result<Identities> resolve_identities(const config::Users& users, uid_t own) {
  Identities out;
  if (own != 0) return out;
  out.change = true;
  std::string missing;
  for (std::size_t place = 0; place < kKinds; ++place) {
    Wanted wanted = wanted_for(static_cast<Kind>(place), users);
    bool fell_back = false;
    auto found = resolve(wanted, fell_back);
    if (!found) return found.error();
    out.of[place] = *found;
    if (!fell_back) continue;
    out.fallback = true;
    missing += fmt::format("{}{} ({})", missing.empty() ? "" : ", ", wanted.name, found->uid);
  }
  if (out.fallback)
    out.warnings.push_back(
        "users that do not exist on this machine; the numbers behind their names serve instead: " +
        missing);
  return out;
}

namespace {

Status give_up_other_rights() {
  constexpr int kKept[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,
                           CAP_KILL,   CAP_SETGID,       CAP_SETUID,          CAP_SETPCAP,
                           CAP_FSETID, CAP_SYS_RESOURCE, CAP_NET_BIND_SERVICE};
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return system_error("capget", errno);
  std::uint64_t kept = 0;
  for (int right : kKept) kept |= std::uint64_t{1} << right;
  std::uint64_t had = data[0].permitted | std::uint64_t{data[1].permitted} << 32;
  narrow_bounding_set(kept);
  if (!set_rights({had & kept, 0})) return system_error("giving up rights", errno);
  return {};
}

}  // namespace

Status keep_to_its_work(const config::Config& config, const Identities& identities) {
  if (identities.change)
    if (Status done = give_up_other_rights(); !done) return done;
  if (config.sandbox == config::Sandbox::off) return {};
  Status confined = sandbox::confine_calls(sandbox::Profile::launcher, false);
  // A kernel without seccomp: the processes say so, and strict ones do not start.
  return confined || config.sandbox != config::Sandbox::strict ? Status{} : confined;
}

}  // namespace postwain::tool
