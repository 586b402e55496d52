// A small file of the runtime folder in which the supervisor says what keeps processes from
// working, since it may be qmgr who is not there to be asked.
#pragma once

#include <string>
#include <vector>

#include "common/config/config_fwd.h"

namespace postwain::tool {

// Writes one line for each text, or removes the file when there is none. Failures are ignored: the
// log has the same texts.
void write_troubles(const config::Config& config, const std::vector<std::string>& texts);
// The texts in one line, empty when there are none. What a supervisor that was killed has left may
// be among it, so ask running_supervisor() first.
std::string read_troubles(const std::string& runtime_dir);

}  // namespace postwain::tool
