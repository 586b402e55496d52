// Connections where the route bounds them: qmgr counts those of all delivery clients, so leave is
// asked for before one is opened, and they are given up in turn. What counts together is one MX set
// (or the hosts a route names) from one source address.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/agent/destination.h"

namespace postwain::agent {

std::size_t Destination::connections_max() const {
  if (transport_.bounds.connections == 0) return kConnectionsPerDestinationMax;
  return transport_.bounds.connections * std::max<std::size_t>(transport_.sources.size(), 1);
}

std::vector<ipc::ConnectionBound> Destination::bounds_from(const std::string& source) const {
  const mail::Bounds& bounds = transport_.bounds;
  std::vector<ipc::ConnectionBound> out;
  if (bounds.connections > 0 || bounds.rate_count > 0)
    out.push_back({fmt::format("{}\n{}", mx_set_.empty() ? transport_.hop.key() : mx_set_, source),
                   bounds.connections, bounds.rate_count, bounds.rate_period});
  if (bounds.route_connections > 0)
    out.push_back({fmt::format("route {}", bounds.route), bounds.route_connections, 0, {}});
  return out;
}

bool Destination::wants(const Connection& connection) const {
  const Slot& slot = slots_[slot_of(connection)];
  if (closing_) return false;
  return slot.next_host ? slot.reserved != nullptr || !moved_.empty() : !waiting_.empty();
}

// One that nobody uses goes at once. Else the one that has been open longest ends soon.
bool Destination::give_up_connection(std::uint64_t owner) {
  if (owner / 2 != number_) return false;
  Connection* chosen = nullptr;
  for (Slot& slot : slots_) {
    Connection& one = *slot.connection;
    if (owner_of(slot) != owner || one.waits_for_leave() || one.is_given_up()) continue;
    if (chosen == nullptr || one.idle()) chosen = &one;
    if (one.idle()) break;
  }
  if (chosen != nullptr) chosen->give_up();
  return true;
}

// Nothing is left for them: their places in the line are for others.
void Destination::withdraw_unneeded() {
  for (std::size_t i = slots_.size(); i-- > 0;)
    if (slots_[i].connection->waits_for_leave() && !wants(*slots_[i].connection))
      ended_.push_back(std::move(take_slot(i).connection));
}

// Neither host nor address has anything to do with it. Where a connection is open, what waits is
// carried by that.
void Destination::over_without_leave(Slot slot, const mail::Outcome& outcome) {
  destroy_later(std::move(slot.connection));
  if (slot.reserved != nullptr) drop_moved(*slot.reserved, outcome);
  if (slot.next_host) return open_next_hosts();
  bool open = std::any_of(slots_.begin(), slots_.end(), [](const Slot& other) {
    return !other.next_host && !other.connection->waits_for_leave();
  });
  if (!open) fail_waiting(outcome);
}

}  // namespace postwain::agent
