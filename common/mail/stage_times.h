// How long an attempt has spent in each of its stages, in microseconds. `local` is the wait for a
// connection inside the delivery process. Pure; no clock in here.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/mail/outcome.h"

namespace postwain::mail {

constexpr std::size_t kStages = static_cast<std::size_t>(Stage::final_reply) + 1;

class StageTimes {
 public:
  // A stage that was passed counts for one microsecond at least, so that it is known as passed.
  void add(Stage stage, std::chrono::microseconds time);
  void add(const StageTimes& other);

  // 0: the attempt was not in that stage.
  std::uint32_t at(Stage stage) const { return us_[static_cast<std::size_t>(stage)]; }
  std::chrono::microseconds total() const;

  // "dns 3 connect 12 final_reply 205": milliseconds, only of stages that took one at least, in the
  // order of the stages. So does the history keep it.
  std::string text() const;

  std::array<std::uint32_t, kStages>& raw() { return us_; }
  const std::array<std::uint32_t, kStages>& raw() const { return us_; }

 private:
  std::array<std::uint32_t, kStages> us_{};
};

}  // namespace postwain::mail
