// From the route a recipient takes to how the scheduler treats its destination.
#pragma once

#include "qmgr/router.h"
#include "qmgr/scheduler.h"

namespace postwain::qmgr {

inline DestinationSettings scheduler_settings(const Routed& routed) {
  const RouteSettings& s = *routed.settings;
  DestinationSettings settings;
  settings.pool = routed.hop.kind == mail::HopKind::lmtp ? Pool::lmtp : Pool::smtp;
  settings.store_schedule = s.store_schedule;
  settings.concurrency = s.concurrency;
  settings.rate_count = s.rate_count;
  settings.rate_period = s.rate_period;
  settings.drain_count = s.drain_count;
  settings.drain_period = s.drain_period;
  settings.route = s.number;
  settings.route_connections = s.connections;
  return settings;
}

}  // namespace postwain::qmgr
