// boot_now() as a number: milliseconds since the machine was started, its sleep included.
#pragma once

#include <cstdint>

#include "common/base/time.h"

namespace postwain {

inline std::int64_t boot_ms() {
  return boot_now().time_since_epoch().count();
}

}  // namespace postwain
