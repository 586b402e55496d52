// What a configuration says of notices, for headers that pass it on.
#pragma once

#include <cstddef>
#include <vector>

namespace postwain::notice {

constexpr std::size_t kDsnQuoteDefault = 50U << 10;  // a larger original: only its header
constexpr std::size_t kDsnQuoteMax = 512U << 10;     // what may be asked for instead

// In one language, or in several, one below the other.
class Template;
using Words = std::vector<Template>;

}  // namespace postwain::notice
