#include "qmgr/cluster/places.h"

#include <algorithm>

namespace postwain::qmgr::cluster {

namespace {

// Of two large counts, without overflow: limit · part / whole.
std::uint32_t share_of(std::uint32_t limit, std::uint64_t part, std::uint64_t whole, bool up) {
  while (whole > UINT32_MAX) {
    whole /= 2;
    part /= 2;
  }
  if (whole == 0) return 0;
  const std::uint64_t share = std::uint64_t{limit} * std::min(part, whole);
  return static_cast<std::uint32_t>(share / whole + (up && share % whole > 0 ? 1 : 0));
}

std::uint32_t own_free_place(std::uint32_t limit, const NodeCount& nodes) {
  return nodes.most <= limit && !nodes.newcomer ? 1 : 0;
}

}  // namespace

void NodeCount::read(unsigned nodes) {
  least = std::min(least, nodes);
  most = std::max(most, nodes);
}

void NodeCount::all_agree(unsigned nodes) {
  *this = {nodes, nodes, false};
}

// Where the limit lies within the range, some nodes may still use a free place.
std::uint32_t free_places(std::uint32_t limit, const NodeCount& nodes) {
  return nodes.least <= limit ? std::min<std::uint32_t>(nodes.most, limit) : 0;
}

Claim grant(std::uint32_t wanted, std::uint32_t limit, const NodeCount& nodes,
            std::uint64_t others) {
  return regrant({}, 0, wanted, limit, free_places(limit, nodes), others);
}

Claim regrant(const Claim& present, std::uint32_t keep, std::uint32_t wanted, std::uint32_t limit,
              std::uint32_t kept_free, std::uint64_t others) {
  std::uint32_t most = limit - std::min(limit, kept_free);
  std::uint64_t left = others < most ? most - others : 0;
  auto granted = static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, left));
  if (granted >= keep) return {granted, kept_free};
  return {keep, keep <= present.places ? present.kept_free : 0};
}

std::uint32_t usable(const Claim& claim, std::uint32_t limit, const NodeCount& nodes) {
  std::uint32_t own = own_free_place(limit, nodes);
  if (claim.places == 0) return own;
  std::uint32_t kept = free_places(limit, nodes);
  std::uint32_t beyond = kept > claim.kept_free ? kept - claim.kept_free : 0;
  std::uint64_t sum = std::uint64_t{claim.places} + own;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(sum > beyond ? sum - beyond : 0, limit));
}

std::uint32_t proportional_share(const PlaceNeed& need) {
  std::uint32_t share = share_of(need.limit, need.queued, need.queued_all, !need.others_starve);
  return need.queued > 0 ? std::max<std::uint32_t>(share, 1) : share;
}

bool goes_round(const PlaceNeed& need) {
  return need.queued > 0 && share_of(need.limit, need.queued, need.queued_all, false) == 0;
}

std::uint32_t claim_wanted(const Claim& claim, const PlaceNeed& need) {
  std::uint32_t own = own_free_place(need.limit, need.nodes);
  std::uint32_t wanted = std::min(need.wanted, need.limit);
  if (need.others_want) wanted = std::min(wanted, proportional_share(need));
  wanted -= std::min(wanted, own);
  // No other node waits for these places, so the node keeps what it had for a moment.
  if (!need.others_want && need.beyond_need < kPlacesKept) wanted = std::max(wanted, claim.places);
  return wanted;
}

bool must_claim(const Claim& claim, const PlaceNeed& need) {
  std::uint32_t wanted = claim_wanted(claim, need);
  if (wanted > claim.places) return true;
  if (wanted == claim.places)
    return wanted > 0 && claim.kept_free != free_places(need.limit, need.nodes);
  std::uint32_t own = own_free_place(need.limit, need.nodes);
  return need.running <= wanted + own;
}

}  // namespace postwain::qmgr::cluster
