#include "common/base/time.h"

#include <ctime>

#include <fmt/format.h>

namespace postwain {

WallTime wall_now() {
  return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
}

MonoTime mono_now() {
  return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
}

BootTime boot_now() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return BootTime(std::chrono::duration_cast<Duration>(std::chrono::seconds(now.tv_sec) +
                                                       std::chrono::nanoseconds(now.tv_nsec)));
}

namespace {

std::tm utc_fields(WallTime t) {
  std::time_t seconds = std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
  std::tm fields{};
  gmtime_r(&seconds, &fields);
  return fields;
}

}  // namespace

std::string format_rfc3339(WallTime t) {
  std::tm f = utc_fields(t);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", f.tm_year + 1900, f.tm_mon + 1,
                     f.tm_mday, f.tm_hour, f.tm_min, f.tm_sec);
}

// Many follow each other within a second: its digits are kept.
void append_rfc3339_ms(std::string& out, WallTime t) {
  thread_local std::int64_t last = -1;
  thread_local std::string digits;
  std::int64_t second = std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
  if (second != last || digits.empty()) {
    digits = format_rfc3339(t);
    digits.back() = '.';
    last = second;
  }
  auto ms = static_cast<int>((t - std::chrono::floor<std::chrono::seconds>(t)).count());
  out += digits;
  for (int unit : {100, 10, 1}) out += static_cast<char>('0' + ms / unit % 10);
  out += 'Z';
}

std::string format_rfc3339_ms(WallTime t) {
  std::string out;
  append_rfc3339_ms(out, t);
  return out;
}

std::string format_rfc5322(WallTime t) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm f = utc_fields(t);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} +0000", kDays[f.tm_wday], f.tm_mday,
                     kMonths[f.tm_mon], f.tm_year + 1900, f.tm_hour, f.tm_min, f.tm_sec);
}

std::string format_duration(Duration d) {
  std::int64_t ms = d.count();
  if (ms < 0) return "-" + format_duration(Duration(-ms));
  if (ms < 1000) return fmt::format("{}ms", ms);
  std::int64_t seconds = ms / 1000;
  std::string out;
  auto part = [&](std::int64_t unit, char letter) {
    if (seconds < unit) return;
    out += fmt::format("{}{}", seconds / unit, letter);
    seconds %= unit;
  };
  part(86400, 'd');
  part(3600, 'h');
  part(60, 'm');
  part(1, 's');
  return out;
}

}  // namespace postwain
