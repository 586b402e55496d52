// Days of UTC, by which everything here is counted and reported.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "common/base/time.h"

namespace postwain::reporter {

using Day = std::chrono::sys_days;

constexpr std::int64_t kDaySeconds = 86'400;

Day day_of(WallTime time);
std::string name_of(Day day);        // "2026-11-28"
std::int64_t first_second(Day day);  // since 1970
std::int64_t last_second(Day day);

}  // namespace postwain::reporter
