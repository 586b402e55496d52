// What becomes of mail while the filters cannot be asked at all. Pure.
#pragma once

#include <cstdint>

#include "common/config/table/filter.h"

namespace postwain::filtering {

// Of several filters the strictest counts. none: there are no filters.
enum class FilterFallback : std::uint8_t { none, accept, hold, defer, refuse };

// Of a filter that cannot be asked. One that only looks on has no say.
FilterFallback fallback_of(const config::Filter& filter);

}  // namespace postwain::filtering
