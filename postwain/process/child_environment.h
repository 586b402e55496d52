// What of our own environment a process that we start gets. Whoever starts us may have secrets in
// it (a container's, a deployment's), and what reads it may have been taken over. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "postwain/process/kind.h"

namespace postwain::tool {

// Whether a process of this kind has a use for a variable of this name: time zone and language all
// of them; the trust store and OpenSSL's settings whoever speaks TLS; PATH whoever starts programs
// (and so they get no more than that).
bool keeps_variable(Kind kind, std::string_view name);

// Those of "NAME=value" that it keeps. environment ends with a null pointer.
std::vector<std::string> environment_for(Kind kind, char* const* environment);

}  // namespace postwain::tool
