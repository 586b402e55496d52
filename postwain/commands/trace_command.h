// `postwain trace`: the history of a message, an address, a Message-ID or a remote queue id.
#pragma once

#include <cstdint>
#include <string>

#include "postwain/client/client_options.h"

namespace postwain::tool {

struct TraceOptions {
  std::string query;
  std::string client;  // IP address: what was refused to it
  std::uint32_t limit = 20;
};

int trace_command(const ClientOptions& options, const TraceOptions& trace);

// A timeline for people, of one answer's JSON.
std::string timeline_text(const std::string& json);

}  // namespace postwain::tool
