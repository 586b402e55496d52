// A number that tells whether two nodes are configured alike. What belongs to a machine counts for
// nothing: its name, its name among the nodes, and comments. Two configurations that say the same
// in other words differ. Pure.
#pragma once

#include <string>

#include "common/config/load/bundle.h"

namespace postwain::qmgr {

// 16 characters. Of the configuration's own files, not of those that they name.
std::string config_digest(const config::Loaded& loaded);

}  // namespace postwain::qmgr
