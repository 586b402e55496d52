#include "reporter/sending/day.h"

#include <fmt/format.h>

namespace postwain::reporter {

Day day_of(WallTime time) {
  return std::chrono::floor<std::chrono::days>(time);
}

std::string name_of(Day day) {
  std::chrono::year_month_day date(day);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::int64_t first_second(Day day) {
  return day.time_since_epoch().count() * kDaySeconds;
}

std::int64_t last_second(Day day) {
  return first_second(day) + kDaySeconds - 1;
}

}  // namespace postwain::reporter
