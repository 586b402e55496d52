#include "qmgr/destinations/destinations.h"

#include "qmgr/routing/scheduler_settings.h"

namespace postwain::qmgr {

Pool pool_named(const std::string& key) {
  return key.compare(0, 5, "lmtp:") == 0 ? Pool::lmtp : Pool::smtp;
}

Routed Destinations::route(const mail::Address& recipient, const mail::Address& sender,
                           const std::string& client) const {
  Routed routed = core_.router->route(recipient, sender, client);
  if (split_.empty()) return routed;
  std::string domain = recipient.domain_key();
  if (split_.has(domain)) routed.key = held_key(routed.key, domain);
  return routed;
}

DestinationId Destinations::number_of(const Routed& routed) {
  DestinationId id = core_.scheduler.destination(routed.key, scheduler_settings(routed));
  mx_sets_.recall(id, routed.key);
  keep_held(id, routed.key);
  return id;
}

DestinationId Destinations::number_of(const std::string& key) {
  if (auto known = core_.scheduler.find(key)) return *known;
  Pool pool = pool_named(key);
  DestinationId id = core_.scheduler.destination(key, {pool, pool == Pool::lmtp, 0, 0, {}});
  keep_held(id, key);
  return id;
}

bool Destinations::is_split_off(DestinationId id) const {
  return !split_.empty() && split_.has_destination(core_.scheduler.key(id));
}

// It stays suspended as long as the domain is.
void Destinations::keep_held(DestinationId id, const std::string& key) {
  if (split_.empty() || !split_.note_used(key)) return;
  core_.scheduler.suspend(id, WallTime::max(), core_.clock.wall());
}

}  // namespace postwain::qmgr
