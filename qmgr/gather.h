// When a group commit should wait a moment for more requests. Pure.
//
// Every smtpd tells with each frame how many of its sessions have sent DATA and wait for a commit.
// When about 70 % of them have handed in their request there is little left to gain. A lone session
// never waits: nobody could join it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "common/base/time.h"

namespace postwain::qmgr {

constexpr Duration kGatherMax = std::chrono::milliseconds(1);
constexpr std::uint32_t kGatherSessionsMax = 256;  // more do not fit into one commit

inline bool gathered_enough(std::size_t waiting, std::uint32_t sessions_past_data) {
  std::uint32_t sessions = std::min(sessions_past_data, kGatherSessionsMax);
  return sessions <= 1 || waiting * 10 >= std::size_t{sessions} * 7;
}

}  // namespace postwain::qmgr
