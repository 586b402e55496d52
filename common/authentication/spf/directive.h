// One term of an SPF record (RFC 7208 4.6.1, 5, 12).
#pragma once

#include <cstddef>
#include <string_view>

#include "common/authentication/spf/record.h"

namespace postwain::authentication::spf {

// Where the '=' of a modifier stands; npos: the term is no modifier, and so has to be a directive.
std::size_t modifier_equals(std::string_view term);

// The term without its syntax being right is an error, whose text says what is wrong.
Result<Directive> read_directive(std::string_view term);

}  // namespace postwain::authentication::spf
