// When a group commit should wait a moment: for more requests, or for the mail we have already.
// Pure.
//
// Every smtpd tells with each frame how many of its sessions have sent DATA and wait for a commit.
// When about 70 % of them have handed in their request there is little left to gain. A lone session
// never waits: nobody could join it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "common/base/time.h"

namespace postwain::qmgr {

constexpr Duration kGatherMax = std::chrono::milliseconds(1);
constexpr std::uint32_t kGatherSessionsMax = 256;  // more do not fit into one commit

// What the machine is doing besides.
struct Pressure {
  std::size_t ready = 0;       // jobs for destinations that take mail, waiting for their turn
  std::uint32_t sessions = 0;  // past DATA
  unsigned cpu_pressure = 0;   // CpuPressure::percent
};

// More mail comes in than goes out, and the reason is that the machine has too much to do, not that
// others are slow. Then commits come at longer intervals: they are cheaper together, clients wait
// for their replies instead of their mail in our queue, and nothing is put aside that would have to
// be read again. At 20 sessions nobody is slowed below 1000 messages a second; a lone session is
// not slowed at all.
constexpr std::size_t kReadyPlenty = 50;
constexpr std::size_t kReadyTooMany = 350;
constexpr unsigned kCpuPressureNoticed = 15;
constexpr std::chrono::microseconds kPauseMax{20000};

inline std::chrono::microseconds commit_pause(const Pressure& now) {
  if (now.cpu_pressure < kCpuPressureNoticed || now.sessions <= 1 || now.ready <= kReadyPlenty)
    return {};
  auto most = std::min(kPauseMax, std::chrono::microseconds(1000) * now.sessions);
  return most * (std::min(now.ready, kReadyTooMany) - kReadyPlenty) /
         (kReadyTooMany - kReadyPlenty);
}

inline bool gathered_enough(std::size_t waiting, std::uint32_t sessions_past_data) {
  std::uint32_t sessions = std::min(sessions_past_data, kGatherSessionsMax);
  return sessions <= 1 || waiting * 10 >= std::size_t{sessions} * 7;
}

}  // namespace postwain::qmgr
