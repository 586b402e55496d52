// Whose rights each process gets. Started as root: the users of [users]; as an ordinary user:
// everything as that user. No user is created here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "common/base/result.h"
#include "common/config/config.h"

namespace postwain::tool {

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  // Keeps the one right to pass through folders that are closed to this user (CAP_DAC_READ_SEARCH).
  bool search_folders = false;
  bool operator==(const Identity&) const = default;
};

struct Identities {
  std::optional<Identity> queue;  // absent: stay who we are
  std::optional<Identity> network;
  bool fallback = false;  // the fixed numbers serve: nothing is installed, we run in place
  std::vector<std::string> warnings;
};

// Where the default users do not exist (nothing installed) the fixed numbers serve; a user that was
// named and does not exist is an error.
constexpr uid_t kFallbackQueueId = 61901;
constexpr uid_t kFallbackNetworkId = 61902;

Result<Identities> resolve_identities(const config::Users& users, uid_t own);

// Becomes that user, for good, with no other groups and no right but its own. Between fork and
// exec: only calls that are safe in a signal handler. False: errno says why, and the process must
// end.
bool assume(const Identity& who);

}  // namespace postwain::tool
