// The trial of a half-open breaker where several nodes share it: one of them may make it. The
// scheduler says for which breakers it wants one, and makes none that was not granted. Where nobody
// shares the breakers it asks nobody.
//
// An attempt at a destination may be the trial of two breakers: its own, and that of the hosts
// behind it. That of the hosts is asked for first, so that two nodes never wait for each other.
#pragma once

#include <cstdint>
#include <string>

namespace postwain::qmgr {

struct BreakerName {
  std::string key;  // of the destination or of the MX set
  bool mx_set = false;
  bool operator==(const BreakerName&) const = default;
};

enum class TrialUse : std::uint8_t {
  none,     // not granted, or what it was granted for has ended
  waiting,  // granted, and no attempt has begun
  running,
};

}  // namespace postwain::qmgr
