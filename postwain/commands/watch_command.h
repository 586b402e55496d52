// `postwain watch`: what happens to mail, as it happens.
#pragma once

#include <cstdint>
#include <string>

#include "postwain/client/client_options.h"

namespace postwain::tool {

struct WatchOptions {
  std::string id;
  std::string domain;
  std::string recipient;
  std::string events;       // joined with commas; empty: all
  std::uint64_t count = 0;  // ends after so many; 0: never
};

int watch_command(const ClientOptions& options, const WatchOptions& watch);

// One event as a line for people, of its JSON.
std::string event_line(const std::string& json);

}  // namespace postwain::tool
