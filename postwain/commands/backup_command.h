// `postwain queue backup DIR`: a copy of the queue while it works.
#pragma once

#include <string>

#include "postwain/client/client_options.h"

namespace postwain::tool {

// folder: made by this command; it must not exist.
int backup_command(const ClientOptions& options, const std::string& folder);

}  // namespace postwain::tool
