// What a simulation is about: destinations with their faults, and mail that arrives. Values only.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/config/table/queue.h"

#include "qmgr/scheduling/scheduler.h"

namespace postwain::simulator {

struct Outage {
  WallTime from{};
  WallTime to{};
};

struct DestinationPlan {
  std::string key;
  qmgr::DestinationSettings settings;
  std::string mx_set;  // empty: never reported
  std::vector<Outage> outages;
  Duration latency = std::chrono::milliseconds(500);  // of an attempt, on average
  Duration dead_latency = std::chrono::seconds(30);   // of one while it is out
  double defer_share = 0;                             // of recipients, 4xx by their own fault
  double greylist_share = 0;  // of recipients, 4xx in their first five minutes
  double fail_share = 0;      // of recipients, 5xx
  double local_share = 0;     // of attempts, given back untried by our own processes
  // Ends every session in which it sees mail of these senders, or to these mailboxes (by number),
  // or of anybody while it breaks off.
  std::set<std::uint32_t> breaks_at_senders{};
  std::set<std::uint32_t> breaks_at_mailboxes{};
  std::vector<Outage> breaks_off{};
};

struct Arrival {
  WallTime at{};
  bool null_sender = false;
  std::uint32_t sender = 0;                 // ten of them share a domain
  std::vector<std::uint32_t> destinations;  // one for each recipient
  std::vector<std::uint32_t> mailboxes{};   // of the recipients; absent: each has its own
};
// In order of time; nothing when no more comes.
using Source = std::function<std::optional<Arrival>()>;

struct Scenario {
  std::vector<DestinationPlan> destinations;
  config::Queue queue;
  qmgr::SchedulerLimits limits;
  std::size_t agent_leases = 1000;  // of each pool
  WallTime start{};
  std::optional<WallTime> end;  // absent: until nothing is left to do
  std::uint64_t seed = 1;
};

}  // namespace postwain::simulator
