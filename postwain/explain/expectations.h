// [[expect]]: what a configuration is meant to do, compared with what it does. Pure; what the DNS
// would say stands in the expectations.
#pragma once

#include <vector>

#include "common/config/config.h"

namespace postwain::tool {

// Those that do not come true, each as a mistake at its place.
std::vector<config::Diagnostic> failed_expectations(const config::Config& config);

}  // namespace postwain::tool
