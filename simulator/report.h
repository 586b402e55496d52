// What a simulation has seen.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/time.h"

#include "qmgr/scheduling/scheduler.h"

namespace postwain::simulator {

// One hour of the run.
struct Hour {
  std::uint64_t arrived = 0;  // recipients
  std::uint64_t attempts = 0;
  std::uint64_t delivered = 0;
  std::uint64_t deferred = 0;
  std::uint64_t bounced = 0;  // refused or expired
  std::uint64_t warned = 0;
  std::uint64_t waiting = 0;  // at its end
};

struct DestinationResult {
  std::string key;
  std::uint64_t attempts = 0;
  std::uint64_t delivered = 0;
  std::uint64_t bounced = 0;
  std::uint64_t waiting = 0;
  std::uint64_t breaker_opened = 0;
  std::uint32_t running_max = 0;
  double window = 0;
  double window_max = 0;
  Duration held{};  // by its breaker
};

struct Delays {
  std::uint64_t count = 0;
  Duration p50{};
  Duration p95{};
  Duration max{};
};

struct Report {
  std::uint64_t events = 0;
  std::uint64_t recipients = 0;
  std::uint64_t delivered = 0;
  std::uint64_t bounced = 0;
  std::uint64_t waiting = 0;
  std::uint64_t refills = 0;
  std::uint64_t rows_read = 0;
  std::size_t memory_max = 0;  // recipients in the scheduler
  Duration note_wait_max{};    // of one-recipient messages to living destinations, to their start
  WallTime start{};
  WallTime end{};
  Delays delays;  // of delivered recipients
  std::vector<Hour> hours;
  std::vector<DestinationResult> destinations;
  // Broken promises, the first few; empty in a correct run.
  std::vector<std::string> violations;
};

}  // namespace postwain::simulator
