// The version this tree builds, for people and for status.
#pragma once

#include <string_view>

namespace postwain::tool {

inline constexpr std::string_view kVersion = POSTWAIN_VERSION;

}  // namespace postwain::tool
