// Home of zlib in qmgr. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace postwain::qmgr {

// RFC 1951, without header and check.
std::string deflated(std::string_view text);
// Nothing where the octets are no such stream and nothing else, or stand for more than max_octets.
std::optional<std::string> inflated(std::string_view octets, std::size_t max_octets);

}  // namespace postwain::qmgr
