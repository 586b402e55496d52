// A small file of the runtime folder in which the supervisor says what keeps processes from
// working, since it may be qmgr who is not there to be asked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/config/config_fwd.h"

namespace postwain::tool {

// A line for each; none: no file. A failure is of no interest: the log has it all.
void leave_troubles(const config::Config& config, const std::vector<std::string>& texts);
// What a supervisor that is alive has left there, in one line; nothing: none runs.
std::optional<std::string> told_troubles(const std::string& runtime_dir);

}  // namespace postwain::tool
