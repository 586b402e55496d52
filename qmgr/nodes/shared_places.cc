#include "qmgr/nodes/shared_places.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "common/base/boot_time.h"
#include "common/log/log.h"

namespace postwain::qmgr {

namespace {

constexpr Duration kSweepPause = std::chrono::minutes(1);

cluster::BootTime boot_time_now() {
  return cluster::BootTime(Duration(boot_ms()));
}

std::vector<ClaimTable::Wish> wishes_of(const std::vector<cluster::PlaceShares::Wish>& wishes) {
  std::vector<ClaimTable::Wish> out;
  for (const cluster::PlaceShares::Wish& one : wishes)
    out.push_back({one.key, one.limit, one.wanted, one.keep, one.kept_free});
  return out;
}

}  // namespace

static_assert(cluster::kPlaceKeyMax <= kClaimKeyMax && cluster::kPlaceWishesMax <= kWishesMax);

SharedPlaces::SharedPlaces(KeeperService& keeper, ConnectionLeaves& leaves,
                           const SharedQueue::Self& self)
    : keeper_(keeper),
      leaves_(leaves),
      shares_(cluster::NodeNumber{self.node}, cluster::Term{self.term}),
      swept_(mono_now()) {
  look(false);
}

void SharedPlaces::fill_in(BeatOrder& order) const {
  order.seen = shares_.seen();
  order.wants = shares_.wants();
}

void SharedPlaces::beat_answered(const BeatAnswer& answer) {
  std::vector<cluster::PlaceShares::Row> rows;
  for (const NodeStatus& node : answer.nodes)
    rows.push_back(
        {node.row.id, node.row.term, node.row.state, node.row.beat, node.seen, node.wants});
  shares_.beat(rows, boot_time_now());
  look(true);
  if (tidying_) return;
  if (shares_.needs_owned()) return find_owned();
  if (shares_.needs_drop()) return drop_owned();
  if (!shares_.is_alone() && mono_now() - swept_ >= kSweepPause) sweep();
}

void SharedPlaces::describe(ClusterView& view) const {
  view.places_claimed = shares_.claimed();
  view.limits_reached = shares_.lacking();
}

bool SharedPlaces::are_used() const {
  if (shares_.is_alone()) return false;
  const auto demands = leaves_.demands();
  return std::any_of(demands.begin(), demands.end(),
                     [](const ConnectionLedger::Demand& one) { return one.used > 0; });
}

void SharedPlaces::look(bool may_ask) {
  std::vector<cluster::PlaceShares::Demand> demands;
  if (!shares_.is_alone())
    for (ConnectionLedger::Demand& one : leaves_.demands())
      demands.push_back({std::move(one.group), one.limit, one.used, one.waiting});
  cluster::PlaceShares::Decision now = shares_.look(demands, boot_time_now(), may_ask);
  std::vector<ConnectionLedger::Allowance> allowances;
  for (cluster::PlaceShares::Allowance& one : now.allowances)
    allowances.push_back({std::move(one.group), one.places, one.press});
  leaves_.share(now.free_from, allowances);
  if (!now.wishes.empty()) ask(now.wishes);
}

void SharedPlaces::ask(const std::vector<cluster::PlaceShares::Wish>& wishes) {
  keep_then(
      keeper_,
      [wishes = wishes_of(wishes)](KeeperTables& tables) { return tables.claims().claim(wishes); },
      [this](const StoreResult<std::vector<cluster::Claim>>& claims) {
        if (claims)
          shares_.answered(*claims, boot_time_now());
        else
          shares_.lost();
        look(false);
      });
}

// --- claims that nobody has asked for in this life --------------------------------------------

void SharedPlaces::find_owned() {
  tidying_ = true;
  keep_then(
      keeper_,
      [](KeeperTables& tables) { return tables.claims().owned(std::string(cluster::kPlaceKeys)); },
      [this](const StoreResult<std::vector<ClaimTable::Owned>>& owned) {
        tidying_ = false;
        if (!owned || !shares_.needs_owned()) return;
        std::vector<std::pair<std::string, cluster::Claim>> claims;
        for (const ClaimTable::Owned& one : *owned) claims.emplace_back(one.key, one.claim);
        shares_.owned(claims);
        look(false);
      });
}

void SharedPlaces::drop_owned() {
  tidying_ = true;
  keep_then(
      keeper_,
      [](KeeperTables& tables) { return tables.claims().drop(std::string(cluster::kPlaceKeys)); },
      [this](const StoreStatus& dropped) {
        tidying_ = false;
        if (dropped && shares_.needs_drop()) shares_.dropped();
      });
}

void SharedPlaces::sweep() {
  swept_ = mono_now();
  keep_then(
      keeper_, [](KeeperTables& tables) { return tables.claims().sweep(); },
      [](const StoreStatus&) {});
}

}  // namespace postwain::qmgr
