// `postwain queue backup DIR` and `postwain queue recover DIR`: a copy of the queue while it works,
// and a new queue from a damaged one.
#pragma once

#include <string>

#include "postwain/client_options.h"

namespace postwain::tool {

// folder: made by these commands; it must not exist.
int backup_command(const ClientOptions& options, const std::string& folder);
// Becomes the program that knows the database (qmgr); does not return when all goes well.
int recover_command(const ClientOptions& options, const std::string& folder);

}  // namespace postwain::tool
