// Gives what lies in a folder to its new owner, where the numbers that stand for our users have
// changed: in place as root the fixed ones of an older release served (identity.h), or none but
// those before the package was installed.
#pragma once

#include <string>

#include "common/base/result.h"
#include "postwain/process/identity.h"

namespace postwain::tool {

// Whether this number has stood for a user of ours that has no name.
bool is_stand_in(uid_t uid);

// Files and folders below this one that belong to such a number; nobody else's. Links are not
// followed, but for `folder` itself. Before the folder is given away, so that a stop in the midst
// of it is made up for by the next start.
Status take_over(const std::string& folder, const Identity& owner);

}  // namespace postwain::tool
