// `postwain queue destinations`, `queue suspend` and `queue resume`: where mail goes, and leaving a
// destination alone for a while.
#pragma once

#include <string>

#include "postwain/client/client_options.h"

namespace postwain::tool {

struct SuspendOptions {
  // A domain of recipients ("example.org", "domain:example.org"), or the name of a destination that
  // `queue destinations` shows.
  std::string destination;
  std::string for_time;  // "2h"; empty: until further notice
  std::string reason;
};

int destinations_command(const ClientOptions& options);
// begin: suspend; else resume.
int suspend_command(const ClientOptions& options, const SuspendOptions& suspend, bool begin);

// One line of the table; `reply` is qmgr's JSON.
std::string destination_line(const std::string& reply, bool first);

}  // namespace postwain::tool
