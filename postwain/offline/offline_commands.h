// What is done with the queue while Postwain is stopped. The work is done by the program that knows
// the stores (qmgr). What it reads may have been written by a qmgr that was taken over, so root's
// rights are given up for those of the spool's owner (qmgr_tool.h).
#pragma once

#include <string>

#include "postwain/client/client_options.h"

namespace postwain::tool {

// `postwain queue recover DIR`: a new queue from a damaged one. folder: made by this command; it
// must not exist.
int recover_command(const ClientOptions& options, const std::string& folder);

struct MoveOptions {
  std::string from;           // "sqlite", or the address of a database
  std::string from_password;  // "file:/path"; empty: none
};
// `postwain queue move --from STORE`: all mail goes from there into what [queue] store names.
int move_command(const ClientOptions& options, const MoveOptions& move);

// `postwain queue take-over`: the queue in the database becomes this spool's, whoever had it.
int take_over_command(const ClientOptions& options);

// `postwain cluster check`: whether the database of [queue] store is fit for a queue. It changes
// nothing there, and may be used beside a Postwain that runs.
int cluster_check_command(const ClientOptions& options);

}  // namespace postwain::tool
