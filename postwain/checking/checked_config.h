// The configuration with everything checked that can be before it is used: what common/config
// checks, and that certificate and key belong together.
#pragma once

#include "common/config/load/bundle.h"

namespace postwain::tool {

config::Loaded load_checked(const std::string& file);

}  // namespace postwain::tool
