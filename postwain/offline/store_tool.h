// Runs qmgr as a tool that works with the store of the configuration, which it is told on its
// standard input together with the passwords.
#pragma once

#include <cstdint>
#include <string>

#include "common/config/load/bundle.h"
#include "postwain/client/client_options.h"

namespace postwain::tool {

struct StoreTool {
  std::string word;            // what is to be done; the spool folder follows it
  std::string from{"sqlite"};  // of a move: the store that mail is moved from
  std::string from_password{};
  // It changes nothing, and so may be used before Postwain was ever started, when the folders are
  // made for it as `postwain run` makes them, and beside a Postwain that runs, whose db-link it
  // uses.
  bool only_looks = false;
  // The same may be so of a machine that is to take the place of a lost one.
  bool makes_folders = false;
};

// Reads the configuration. What cannot be done is printed: a sysexits code.
int run_store_tool(const ClientOptions& options, const StoreTool& tool);
int run_store_tool(const config::Loaded& loaded, const StoreTool& tool);

}  // namespace postwain::tool
