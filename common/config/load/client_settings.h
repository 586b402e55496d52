// The configuration as a command of an ordinary user reads it (sendmail, mailq, queue): the main
// file and its includes, but none of the files they name, because keys and passwords are not
// readable for everyone. Mistakes in other tables do not matter here.
#pragma once

#include <string>

#include "common/config/load/bundle.h"

namespace postwain::config {

Loaded load_client(const std::string& file);

// What a file that is no TOML at the moment still says of where the server is: lines such as
// runtime_dir = "/run/postwain" before the first table. The rest is as an empty file has it.
Config salvage_client(const std::string& file);

}  // namespace postwain::config
