// The machine's fully qualified name, for a configuration that gives no hostname.
#pragma once

#include <string>

namespace postwain::config {

// "localhost.localdomain" when the machine does not know. May ask the resolver.
std::string machine_host_name();

}  // namespace postwain::config
