// Times that others say: frames, files, rows of the queue.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/base/time.h"

namespace postwain {

// Within the years 1 to 9999, which every format of ours can show and every sum of a time and a
// span of the configuration stays within; what lies outside becomes the nearest of them.
inline WallTime sane_time(std::int64_t unix_ms) {
  constexpr std::int64_t kFirst = -62135596800000;
  constexpr std::int64_t kLast = 253402300799999;
  return from_unix_ms(std::clamp(unix_ms, kFirst, kLast));
}

}  // namespace postwain
