// Home of zlib.
#pragma once

#include <string>
#include <string_view>

namespace postwain::reporter {

// RFC 1952, without a time: the same bytes for the same text.
std::string gzip(std::string_view text);

}  // namespace postwain::reporter
