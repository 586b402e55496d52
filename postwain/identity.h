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
  bool operator==(const Identity&) const = default;
};

struct Identities {
  std::optional<Identity> queue;  // absent: stay who we are
  std::optional<Identity> network;
  std::vector<std::string> warnings;
};

// Where the default users do not exist (nothing installed) the fixed numbers serve; a user that was
// named and does not exist is an error.
constexpr uid_t kFallbackQueueId = 61901;
constexpr uid_t kFallbackNetworkId = 61902;

Result<Identities> resolve_identities(const config::Users& users, uid_t own);

}  // namespace postwain::tool
