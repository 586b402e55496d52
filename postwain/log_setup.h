// The log of the supervisor as [log] wants it.
#pragma once

#include <string>

#include "common/config/config.h"

namespace postwain::tool {

void setup_log(const std::string& process, const config::Log& log);

}  // namespace postwain::tool
