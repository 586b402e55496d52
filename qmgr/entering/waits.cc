#include "qmgr/entering/waits.h"

namespace postwain::qmgr {

std::optional<Wait> Waits::at(const std::string& destination, WallTime now) const {
  std::string_view domain = held_domain(destination);
  std::string name = domain.empty() ? destination : domain_scope(domain);
  if (const Suspension* one = suspensions_.find(name, now))
    return Wait{WaitCause::suspension, name, one->until, one->author, one->reason};
  auto id = core_.scheduler.find(destination);
  if (!id) return std::nullopt;
  if (const DestinationHealth& own = core_.scheduler.health(*id); own.is_open())
    return Wait{
        WaitCause::breaker, destination, own.hold_until(), {}, breakers_.reason_at(destination)};
  const MxSet* set = core_.scheduler.mx_set(*id);
  if (set == nullptr || !set->health.is_open()) return std::nullopt;
  return Wait{
      WaitCause::breaker, set->key, set->health.hold_until(), {}, breakers_.reason_at_hosts(*id)};
}

bool Waits::is_reachable(const std::string& destination) const {
  if (split_.has_destination(destination)) return false;
  auto id = core_.scheduler.find(destination);
  return !id || (!core_.scheduler.is_suspended(*id) &&
                 core_.scheduler.health(*id).slots(core_.clock.wall()) > 0);
}

}  // namespace postwain::qmgr
