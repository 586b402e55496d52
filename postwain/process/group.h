// Groups of this machine by name, as its user database has them.
#pragma once

#include <string>

#include <sys/types.h>

#include "common/base/result.h"

namespace postwain::tool {

// An Error when there is none, or nobody can tell.
Result<gid_t> group_id(const std::string& name);

}  // namespace postwain::tool
