// Passwords against hashes of crypt(3). Home of libxcrypt. Slow by intention (milliseconds to
// seconds, as the hash says): never on an event loop.
#pragma once

#include <string>

namespace postwain::auth {

// False also when the hash is none crypt(3) knows. Safe on any thread.
bool matches_crypt(const std::string& password, const std::string& hash);

}  // namespace postwain::auth
