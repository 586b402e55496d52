// Limits that several destinations share: all that one route may have running, and the hosts behind
// several domains (the MX set). A destination that finds no room waits in line and is woken when
// somebody leaves.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <set>
#include <string>

#include "common/base/time.h"

#include "qmgr/scheduling/destination_health.h"
#include "qmgr/scheduling/lease_pace.h"
#include "qmgr/scheduling/suspects.h"

namespace postwain::qmgr {

using DestinationId = std::uint32_t;

constexpr std::uint32_t kMxSetWindowInitial = 20;
constexpr std::uint32_t kMxSetWindowMax = 100;

struct SharedLimit {
  std::uint32_t running = 0;
  std::uint32_t running_bulk = 0;
  // [1]: those that have nothing but bulk. Bulk never takes the last of several places.
  std::array<std::deque<DestinationId>, 2> waiting;

  bool has_room(bool bulk, std::uint32_t places) const {
    if (running >= places) return false;
    return !bulk || places == 1 || running_bulk + 1 < places;
  }
};

struct RouteLimit : SharedLimit {
  std::uint32_t places = 0;  // 0: no limit
};

struct MxSet : SharedLimit {
  explicit MxSet(std::string name)
      : key(std::move(name)), health(kMxSetWindowMax, kMxSetWindowInitial) {}
  std::string key;  // the sorted host names
  DestinationHealth health;
  Suspects suspects;  // of all its members together
  MxSetPace pace;     // of those members that have a rate
  std::set<DestinationId> members;
};

}  // namespace postwain::qmgr
