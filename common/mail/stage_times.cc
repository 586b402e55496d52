#include "common/mail/stage_times.h"

#include <algorithm>
#include <limits>

namespace postwain::mail {

namespace {

std::uint32_t sum(std::uint32_t a, std::uint64_t b) {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(a + b, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

void StageTimes::add(Stage stage, std::chrono::microseconds time) {
  std::uint32_t& us = us_[static_cast<std::size_t>(stage)];
  us = sum(us, static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), us == 0 ? 1 : 0)));
}

void StageTimes::add(const StageTimes& other) {
  for (std::size_t i = 0; i < kStages; ++i) us_[i] = sum(us_[i], other.us_[i]);
}

std::chrono::microseconds StageTimes::total() const {
  std::uint64_t all = 0;
  for (std::uint32_t us : us_) all += us;
  return std::chrono::microseconds(all);
}

std::string StageTimes::text() const {
  std::string out;
  for (std::size_t i = 0; i < kStages; ++i) {
    if (us_[i] < 1000) continue;
    if (!out.empty()) out += ' ';
    out += name_of(static_cast<Stage>(i));
    out += ' ';
    out += std::to_string(us_[i] / 1000);
  }
  return out;
}

}  // namespace postwain::mail
