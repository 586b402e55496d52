// The clock that runs on while the machine sleeps (CLOCK_BOOTTIME): by it a process knows how long
// it has not been running. Milliseconds since the machine was started.
#pragma once

#include <cstdint>

#include <ctime>

namespace postwain {

inline std::int64_t boot_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace postwain
