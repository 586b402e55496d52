// How many connections one node may open under a limit that holds over the whole cluster. The limit
// is of a destination, an MX set or a route. A place is the right to one connection. Places are
// claimed in the database, several at a time, under the lock of the limit's row, so that the sum
// over all nodes is never above the limit. Pure arithmetic.
//
// Where the limit is at least the number of nodes, every node may use one place without a claim: a
// free place. So the mail of most destinations needs no claim. All other places are claimed. Nodes
// join and leave while claims exist, and learn of it at different times. Therefore each node keeps
// the number of nodes as a range, and each claim remembers how many free places were kept when it
// was made. For each free place that may be in use beyond those, the owner of the claim uses one
// place less. Every claim that is not reduced to nothing makes room for each new node in this way,
// so the sum stays within the limit in whatever order the claims are made again.
#pragma once

#include <cstdint>

#include "qmgr/cluster/timing.h"
#include "qmgr/cluster/values.h"

namespace postwain::qmgr::cluster {

// How many nodes there are, as one node knows it: the least and the most that it has read since the
// last moment at which all live nodes agreed. The range ends when every live node says in its beat
// that it has read the present nodes, and has used no more than usable() since.
struct NodeCount {
  unsigned least = 1;
  unsigned most = 1;
  bool newcomer = false;  // not all other nodes have read its row yet

  // Of a node that has just registered, which does not know how many nodes the others have read.
  static NodeCount joined(unsigned nodes) { return {1, nodes, true}; }
  void read(unsigned nodes);
  void all_agree(unsigned nodes);
  bool operator==(const NodeCount&) const = default;
};

// What one node has claimed of one limit.
struct Claim {
  std::uint32_t places = 0;
  std::uint32_t kept_free = 0;  // free places that were kept for all nodes when it was made
  bool operator==(const Claim&) const = default;
};

// How many places may be in use without a claim.
std::uint32_t free_places(std::uint32_t limit, const NodeCount& nodes);

// What a claim of `wanted` places gets while the others have claimed `others`: the arithmetic of
// the claiming transaction, with the numbers that it read under the lock.
Claim grant(std::uint32_t wanted, std::uint32_t limit, const NodeCount& nodes,
            std::uint64_t others);

// The same for a node that has a claim already, and goes on using `keep` of its places whatever the
// answer is. Less than those is never written, because they are used; what is written then counts
// as it did, or, where it is more than the node had, as a claim beside which nothing was kept free.
Claim regrant(const Claim& present, std::uint32_t keep, std::uint32_t wanted, std::uint32_t limit,
              std::uint32_t kept_free, std::uint64_t others);

// How many connections a node may have at once.
std::uint32_t usable(const Claim& claim, std::uint32_t limit, const NodeCount& nodes);

// What a node knows of itself and the others for one limit.
struct PlaceNeed {
  std::uint32_t limit = 0;
  NodeCount nodes;
  std::uint32_t running = 0;     // connections that are open
  std::uint32_t wanted = 0;      // connections for which there is work, these included
  std::uint64_t queued = 0;      // what the node has to do there: the connections that it wants
  std::uint64_t queued_all = 0;  // that of all nodes, its own included
  bool others_want = false;      // a node says in its beat that it lacks places of this limit
  bool others_starve = false;    // one of them has no place at all
  Duration beyond_need{};        // for how long it has had more places than it wants
};

// A node keeps places that it does not need for so long, because mail comes in bursts.
constexpr Duration kPlacesKept = std::chrono::seconds(2);

// The part of the limit in proportion to what the node has to do among all that wait, at least one
// where it has anything: rounded up, or down while another node has no place at all.
std::uint32_t proportional_share(const PlaceNeed& need);
// The node's part of the limit is less than one place: it can have one only for a time.
bool goes_round(const PlaceNeed& need);

// How many places the node should have claimed. More than it has: it claims. Fewer: it gives back,
// as soon as its connections are within what is left.
std::uint32_t claim_wanted(const Claim& claim, const PlaceNeed& need);
// Whether the claim is to be made again now: it differs from what it should be and, where it is to
// shrink, the open connections allow it; or the free places beside it have changed.
bool must_claim(const Claim& claim, const PlaceNeed& need);

}  // namespace postwain::qmgr::cluster
