// One node's part in limits of simultaneous connections that hold over all nodes (places.h): how
// many connections of each group it may have, what it claims and gives back, and what it tells the
// others in its row. Pure: rows that a beat has read, what is open, and answers of the table of
// claims come in; decisions come out.
//
// A node alone counts as one machine does: nothing is claimed. When another one appears, it first
// has what is open written down as claims, and then says in its row that it has read this set of
// nodes. A node that has just begun opens nothing before all others have said so. A group in which
// a node has more open than it may at that moment is named in its row, and the former count of
// nodes goes on to count for that group alone.
//
// Whoever has places that others lack comes down to his share, by what each wants. Where some node
// has none at all and there are fewer places than nodes that want one, places go round: who has had
// his for a turn gives it back, and stays away for a moment.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "qmgr/cluster/bounded_key.h"
#include "qmgr/cluster/places.h"

namespace postwain::qmgr::cluster {

constexpr std::size_t kWantsMax = 200;             // groups that a node's row tells of
constexpr std::size_t kPlaceWishesMax = 200;       // of one transaction
constexpr std::size_t kPlaceKeyMax = 2000;         // octets
constexpr std::string_view kPlaceKeys = "place:";  // what the keys of such claims begin with
// What a row says that has not read the present set. One that says nothing, 0, and beats is of a
// program that knows nothing of limits over all nodes: nobody waits for it.
constexpr std::int64_t kNotRead = -1;
constexpr std::uint64_t kSilentBeats = 8;
constexpr Duration kPlaceTurn = std::chrono::seconds(3);
constexpr Duration kPlaceAway = std::chrono::milliseconds(1200);
constexpr Duration kMorePlacesPause = std::chrono::seconds(2);     // after a wish that brought none
constexpr Duration kWantsFresh = std::chrono::milliseconds(1500);  // of a node that beats

// A group's name in the table of claims. Long names are cut and told apart by a number.
std::string place_key(const std::string& group);

// What a row says of one group. Where two groups have the same number, more is believed to be
// wanted than is.
struct PlaceWant {
  std::uint64_t key = 0;     // key_number() of place_key()
  std::uint32_t wanted = 0;  // connections
  std::uint16_t waited = 0;  // for the first place, in tenths of a second
  bool lacks = false;        // it has fewer than it wants
  bool starves = false;      // it has none
  bool over = false;         // it has more open than it may
  bool operator==(const PlaceWant&) const = default;
};
std::string wants_text(std::span<const PlaceWant> wants);
// Nothing for a text of another form.
std::optional<std::vector<PlaceWant>> read_wants(std::string_view text);

class PlaceShares {
 public:
  struct Row {
    NodeNumber id;
    Term term;
    NodeState state = NodeState::gone;
    Beat beat;
    std::int64_t seen = 0;
    std::string_view wants;
  };
  // A group in which something is open or waits. open: places that rest after their end, too.
  struct Demand {
    std::string group;
    std::uint32_t limit = 0;
    std::uint32_t open = 0;
    std::uint32_t waiting = 0;
  };
  struct Allowance {
    std::string group;
    std::uint32_t places = 0;
    bool press = false;  // what is open beyond that is to end
    bool operator==(const Allowance&) const = default;
  };
  struct Wish {
    std::string key;
    std::uint32_t limit = 0;
    std::uint32_t wanted = 0;
    std::uint32_t keep = 0;
    std::uint32_t kept_free = 0;
  };
  struct Decision {
    // Groups with this limit or more have one place, where no allowance says otherwise, and others
    // have none. Nothing: this node is alone, and the limits are its own.
    std::optional<std::uint32_t> free_from;
    std::vector<Allowance> allowances;  // all of them
    std::vector<Wish> wishes;           // asked at once; answered() or lost() comes before more are
  };

  PlaceShares(NodeNumber self, Term term) : self_(self), term_(term) {}

  void beat(std::span<const Row> rows, BootTime now);
  // The claims that the database has for this node are wanted, before anything can be wished.
  bool needs_owned() const { return mode_ == Mode::shared && needs_owned_; }
  void owned(const std::vector<std::pair<std::string, Claim>>& claims);
  // This node is alone: its claims may go.
  bool needs_drop() const { return mode_ == Mode::alone && needs_owned_; }
  void dropped();
  // ask: a beat was answered, so that wishes may be made.
  Decision look(const std::vector<Demand>& demands, BootTime now, bool ask);
  void answered(std::span<const Claim> claims, BootTime now);
  void lost();

  // For the next beat: a number of the set of nodes, or kNotRead.
  std::int64_t seen() const { return seen_; }
  const std::string& wants() const { return wants_; }

  bool is_alone() const { return mode_ == Mode::alone; }
  std::uint64_t claimed() const;                    // places
  std::size_t lacking() const { return lacking_; }  // groups whose connections wait for others'

 private:
  enum class Mode : std::uint8_t { unknown, alone, shared };
  // Of all other nodes, for one group.
  struct Others {
    bool lack = false;
    bool starve = false;
    std::uint64_t wanted = 0;
    std::vector<std::uint16_t> waited;  // of those that have none
  };
  struct Share {
    std::string group;  // empty: nothing was open since the claim was found
    std::uint64_t number = 0;
    Claim claim;                   // that is there whatever has become of an answer
    std::uint32_t made_under = 0;  // the limit then
    std::uint32_t limit = 0;
    std::uint32_t open = 0;
    std::uint32_t waiting = 0;
    bool asked = false;
    bool turn_over = false;
    BootTime grow_from{};
    BootTime away_until{};
    std::optional<BootTime> beyond_since;
    std::optional<BootTime> held_since;
    std::optional<BootTime> starving_since;
    Claim asked_from;        // the claim before the wish that is under way
    std::uint32_t keep = 0;  // of that wish
    // As of the last look.
    std::uint32_t usable = 0;
    std::uint32_t target = 0;
    bool unrecorded = false;
    std::uint32_t connections() const { return open + waiting; }
    bool is_void() const { return claim.places > 0 && made_under > limit; }
  };

  bool read_set(std::span<const Row> rows);
  bool has_read(const Row& row);
  void note_wants(std::span<const Row> rows, BootTime now);
  void agree();
  void become(Mode mode);
  const NodeCount& nodes_of(const Share& share) const;
  std::uint32_t own_free(const Share& share) const;
  const Others& others_of(const Share& share) const;
  bool free_everywhere() const;
  void take(const std::vector<Demand>& demands);
  void judge(Share& share, BootTime now);
  std::uint32_t target_of(Share& share, BootTime now) const;
  bool wishes_now(const Share& share, BootTime now) const;
  Wish wish(const std::string& key, Share& share);
  void make_wishes(BootTime now, Decision& out);
  Allowance allowance(const Share& share) const;
  void write_row(BootTime now);
  void forget_idle(BootTime now);

  NodeNumber self_;
  Term term_;
  Mode mode_ = Mode::unknown;
  NodeCount count_;
  unsigned nodes_ = 0;  // that live
  std::int64_t set_ = 0;
  bool all_seen_ = false;
  std::unordered_map<std::uint64_t, NodeCount> former_;  // for groups that are not agreed on
  std::unordered_set<std::uint64_t> over_;               // those that any row names
  std::unordered_map<std::uint64_t, Others> others_;
  std::array<Beat, kNodes> beats_{};
  // Of each node: the first beat of this term that was read.
  struct Begin {
    Term term;
    Beat beat;
  };
  std::array<Begin, kNodes> begins_{};
  std::array<BootTime, kNodes> moved_{};
  bool needs_owned_ = true;
  bool asking_ = false;
  std::vector<std::string> asked_;  // keys
  std::map<std::string, Share> shares_;
  std::size_t lacking_ = 0;
  std::int64_t seen_ = kNotRead;
  std::string wants_;
};

}  // namespace postwain::qmgr::cluster
