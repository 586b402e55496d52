// Files of keys and of the configuration, written so that whatever ends the command leaves either
// what was there or the whole of what is new. Blocks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/file.h"
#include "common/base/result.h"

namespace postwain::tool {

// Held by a command while it changes what lies in the folder; ends with it. An error (75) where
// another one is at work.
Result<UniqueFd> lock_folder(const std::string& folder);

// A new file of mode 0600, in a folder that is made (0700) where it is missing and to which nobody
// else may write. What is there already is never touched: that is an error (73).
Status write_key_file(const std::string& path, std::string_view content);

// Puts `after` in the place of `before`, by one rename; owner and mode stay. An error where
// something else stands there by now. Of a symbolic link the file it leads to is changed. before:
// nothing, when there is no such file yet; it gets mode 0644, and its folder is made (0755).
Status replace_config_file(const std::string& path, const std::optional<std::string>& before,
                           std::string_view after);

}  // namespace postwain::tool
