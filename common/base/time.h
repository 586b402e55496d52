// Time as the project keeps it. Wall time: milliseconds since 1970 UTC, what is stored, logged and
// shown. Monotonic time: for deadlines inside one process, never stored. Boot time: for what must
// know that the machine has slept; processes of one machine may tell it to each other.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace postwain {

using Duration = std::chrono::milliseconds;
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::milliseconds>;

// The clock that runs on while the machine sleeps (CLOCK_BOOTTIME), as a type of time points only:
// who decides by it is given readings of it. Readings of two machines are never compared.
struct BootClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock, duration>;
  static constexpr bool is_steady = true;
};
using BootTime = BootClock::time_point;

WallTime wall_now();
MonoTime mono_now();
BootTime boot_now();

inline std::int64_t to_unix_ms(WallTime t) {
  return t.time_since_epoch().count();
}
inline WallTime from_unix_ms(std::int64_t ms) {
  return WallTime(Duration(ms));
}

// "2026-11-21T09:30:00.123Z" (RFC 3339) and "2026-11-21T09:30:00Z".
std::string format_rfc3339_ms(WallTime t);
std::string format_rfc3339(WallTime t);
void append_rfc3339_ms(std::string& out, WallTime t);  // for those who do it often
// "Sat, 21 Nov 2026 09:30:00 +0000" (RFC 5322 3.3), always in UTC.
std::string format_rfc5322(WallTime t);
// "3d", "2h30m", "45s", "120ms": for logs and people.
std::string format_duration(Duration d);

}  // namespace postwain
