// From [log] to the log of this process.
#pragma once

#include <string>

#include "common/config/table/log.h"

namespace postwain::daemon {

// A log daemon that cannot be reached is no reason not to start: then standard error serves, and a
// warning there says so.
void setup_log(const std::string& process, const config::Log& log);

}  // namespace postwain::daemon
