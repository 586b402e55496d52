// The secret by which smtpd invents keys for names that have no account
// (smtpd/login/users_login.h). It has to be the same in all processes and after a restart, or what
// changes would tell which names are invented.
#pragma once

#include <string>

#include "common/base/result.h"

namespace postwain::tool {

// Reads it from a file of mode 0600 in the folder, or makes one there. Only who can read and write
// that folder can know or change it. A file that is none of ours is replaced.
Result<std::string> kept_login_secret(const std::string& folder);

}  // namespace postwain::tool
