// `postwain queue backup DIR` and `postwain queue recover DIR`: a copy of the queue while it works,
// and a new queue from a damaged one.
#pragma once

#include <string>

#include "postwain/client/client_options.h"

namespace postwain::tool {

// folder: made by these commands; it must not exist.
int backup_command(const ClientOptions& options, const std::string& folder);
// The work is done by the program that knows the database (qmgr). What is read may have been
// written by a qmgr that was taken over, so root's rights are given up for those of the spool's
// owner.
int recover_command(const ClientOptions& options, const std::string& folder);

}  // namespace postwain::tool
