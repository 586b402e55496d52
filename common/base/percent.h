// Octets written as '%' and two hexadecimal digits (RFC 3986 2.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postwain {

// Nothing: a '%' is not followed by two hexadecimal digits.
std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace postwain
