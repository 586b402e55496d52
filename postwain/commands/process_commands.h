// `postwain status`, `stop` and `reload`.
#pragma once

#include "postwain/client/client_options.h"

namespace postwain::tool {

int status_command(const ClientOptions& options);
int reload_command(const ClientOptions& options);
// Returns when the processes are gone.
int stop_command(const ClientOptions& options);

}  // namespace postwain::tool
