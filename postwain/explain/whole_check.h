// All that `postwain check` looks at without asking anybody: the configuration, what it expects of
// itself, and the users of the machine.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "common/config/load/bundle.h"

namespace postwain::tool {

config::Loaded wholly_checked(const std::string& config_file);
// The same of what was loaded already, or is about to be written.
config::Loaded wholly_checked(config::Loaded loaded);

// Prints what is wrong, or that nothing is. 0, or 78 where there are mistakes.
int report_check(const std::string& config_file, const config::Loaded& loaded, bool json);

nlohmann::ordered_json to_json(const std::vector<config::Diagnostic>& diagnostics);

}  // namespace postwain::tool
