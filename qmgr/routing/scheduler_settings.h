// From the route a recipient takes to how the scheduler treats its destination.
#pragma once

#include <algorithm>

#include "qmgr/routing/router.h"
#include "qmgr/scheduling/scheduler.h"

namespace postwain::qmgr {

inline DestinationSettings scheduler_settings(const Routed& routed) {
  const RouteSettings& s = *routed.settings;
  DestinationSettings settings;
  settings.pool = routed.hop.kind == mail::HopKind::lmtp ? Pool::lmtp : Pool::smtp;
  settings.mailbox_schedule = s.mailbox_schedule;
  const mail::Bounds& bounds = s.transport.bounds;
  // From each source address as many.
  constexpr std::size_t kSourcesCounted = 1000;
  auto sources = static_cast<std::uint32_t>(
      std::clamp<std::size_t>(s.transport.sources.size(), 1, kSourcesCounted));
  settings.connections = bounds.connections * sources;
  settings.in_flight = bounds.in_flight;
  settings.counted = bounds.counted();
  settings.rate_count = s.rate_count;
  settings.rate_period = s.rate_period;
  settings.drain_count = s.drain_count;
  settings.drain_period = s.drain_period;
  settings.route = s.number;
  settings.route_connections = bounds.route_connections;
  return settings;
}

}  // namespace postwain::qmgr
