// Names for new keys: the day they were made, and a letter (s20261130a). A key and its selector are
// never used again with another, so whoever has read the old record from a cache is not deceived.
// Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/time.h"

namespace postwain::tool {

bool is_dated_selector(std::string_view selector);

// The first of that day (UTC) that is not taken; nothing: all 26 of them are.
std::optional<std::string> free_selector(WallTime now,
                                         const std::function<bool(const std::string&)>& is_taken);

}  // namespace postwain::tool
