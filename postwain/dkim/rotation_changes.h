// The writes of a rotation as changes of files, and what an [[expect]] says of the keys with them:
// who is named in signed_by is another key behind it. Pure, but for reading the keys' files.
//
// Whatever ends the writing, the files that are there are good ones. A name in the file of the keys
// changes in the same write. One in another file cannot: there the domain stands in its place
// before that write, which holds for whichever of its keys sign, and the new name behind it.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/load/bundle.h"
#include "postwain/dkim/changed_config.h"

namespace postwain::tool {

// All of them in their order, each checked with those before it. The error says what `postwain
// check` would find, or what is to be written by hand; then nothing is to be written.
Result<std::vector<FileChange>> rotation_changes(const config::Loaded& loaded,
                                                 const std::string& config_file,
                                                 const std::string& domain);

}  // namespace postwain::tool
