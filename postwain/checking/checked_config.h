// The configuration with everything checked that can be before it is used: what common/config
// checks, and that certificate and key belong together.
#pragma once

#include "common/config/load/bundle.h"

namespace postwain::tool {

config::Loaded load_checked(const std::string& file);
// The same of what was loaded already, or is about to be written.
config::Loaded checked(config::Loaded loaded);

}  // namespace postwain::tool
