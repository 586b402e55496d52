// What every command that talks to the running Postwain has in common.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/config/config.h"

namespace postwain::tool {

inline const std::string kDefaultConfig = "/etc/postwain/postwain.toml";

struct ClientOptions {
  std::string config_file = kDefaultConfig;
  bool json = false;
};

// The configuration as far as an ordinary user may read it. Mistakes in it stop no command: an
// operator in trouble needs `status` most of all. Where it cannot be read at all, or is no TOML
// while somebody edits it, what it says of the folders counts, and else the defaults; a warning is
// printed. An Error: a file was named that does not exist.
Result<config::Config> client_config(const std::string& config_file);
// The same for sendmail, which has no way but to go on, and nobody to tell.
config::Config sendmail_config(const std::string& config_file);

// Prints "postwain: message" and returns the code.
int fail(int exit_code, const std::string& message);

}  // namespace postwain::tool
