// `postwain selftest`: starts each process as `run` would, has it try what an attacker in it would
// try, and shows what it can and cannot.
#pragma once

#include "postwain/client/client_options.h"

namespace postwain::tool {

// 0: nobody can do more than its work needs.
int selftest_command(const ClientOptions& options);

}  // namespace postwain::tool
