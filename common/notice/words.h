// The texts of notices and the limits of quoting, for headers that only pass them on: this header
// is small, and template.h is not.
#pragma once

#include <cstddef>
#include <vector>

namespace postwain::notice {

constexpr std::size_t kDsnQuoteDefault = 50U << 10;  // a larger original: only its header
constexpr std::size_t kDsnQuoteMax = 512U << 10;     // what may be asked for instead

// The text in one language, or in several languages, which follow each other in the notice.
class Template;
using Words = std::vector<Template>;

}  // namespace postwain::notice
