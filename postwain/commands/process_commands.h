// `postwain status`, `stop` and `reload`.
#pragma once

#include "postwain/client/client_options.h"

namespace postwain::tool {

int status_command(const ClientOptions& options);
int reload_command(const ClientOptions& options);
// The same without a word on standard output.
int reload_quietly(const ClientOptions& options);
// Returns when the processes are gone.
int stop_command(const ClientOptions& options);

}  // namespace postwain::tool
