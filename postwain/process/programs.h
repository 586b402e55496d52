// Where our own programs are: beside the binary in a build tree, in ../lib/postwain when installed.
#pragma once

#include <string>

#include "common/base/result.h"

namespace postwain::tool {

Result<std::string> find_programs();

}  // namespace postwain::tool
