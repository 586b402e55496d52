// Whose rights each process gets. Started as root: a user of its own for each kind, or those of
// [users]; as an ordinary user: everything as that user. No user is created here.
#pragma once

#include <array>
#include <string>
#include <vector>

#include <sys/types.h>

#include "common/base/result.h"
#include "common/config/config_fwd.h"
#include "common/config/table/process.h"
#include "postwain/process/kind.h"

namespace postwain::tool {

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  // Keeps the one right to pass through folders that are closed to this user (CAP_DAC_READ_SEARCH).
  bool search_folders = false;
  bool operator==(const Identity&) const = default;
};

struct Identities {
  bool change = false;  // otherwise everybody stays who we are
  std::array<Identity, kKinds> of{};
  bool fallback = false;  // fixed numbers serve: nothing is installed, we run in place
  std::vector<std::string> warnings;

  const Identity& at(Kind kind) const { return of[static_cast<std::size_t>(kind)]; }
  Identity& at(Kind kind) { return of[static_cast<std::size_t>(kind)]; }
};

// Where the default users do not exist (nothing installed) fixed numbers serve: this one and those
// behind it, in the order of Kind. A user that was named and does not exist is an error.
//
// 60706 to 61183 are nobody's: above the users of people (1000 to 60000, systemd-homed's to 60513,
// its containers' to 60577) and Debian's fixed ones (63434 and up), below those that systemd gives
// to services with DynamicUser= (61184 to 65519). Below 65536, because a container often has no
// more.
constexpr uid_t kFallbackId = 60901;
// They were in the range of DynamicUser= once; what belongs to them is taken over.
constexpr uid_t kFormerFallbackId = 61901;

// Of one kind of process, whoever asks.
Result<Identity> identity_of(Kind kind, const config::Users& users);

Result<Identities> resolve_identities(const config::Users& users, uid_t own);

// Becomes that user, for good, with no other groups and no right but its own. Between fork and
// exec: only calls that are safe in a signal handler. False: errno says why, and the process must
// end.
bool assume(const Identity& who);

// What the supervisor gives up itself, for good, and so for all it starts: of root's rights all but
// those for its work (opening ports, becoming the users of its processes and ending them, reading
// the configuration, making folders), and system calls that no mail server needs.
Status keep_to_its_work(const config::Config& config, const Identities& identities);

}  // namespace postwain::tool
