#include "qmgr/cluster/place_shares.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/base/check.h"

namespace postwain::qmgr::cluster {

namespace {

constexpr std::uint32_t kNoBound = std::numeric_limits<std::uint32_t>::max();

// The present set of nodes: another number when one of them has come, gone or begun a new term.
std::int64_t number_of_set(std::span<const PlaceShares::Row> rows) {
  std::uint64_t number = 0;
  for (const PlaceShares::Row& row : rows)
    if (row.state != NodeState::gone)
      number = number * 0x100000001b3U + static_cast<std::uint64_t>(row.term.value) * kNodes +
               row.id.value + 1;
  number &= static_cast<std::uint64_t>(INT64_MAX);
  return static_cast<std::int64_t>(number == 0 ? 1 : number);
}

// Of all groups that want places and have none, the ones that have waited longest are told of
// first; before all of them those that others have to be careful with.
int rank_of(const PlaceWant& want) {
  if (want.over) return 0;
  return want.starves ? 1 : 2;
}

Duration elapsed(const std::optional<BootTime>& since, BootTime now) {
  return since ? std::chrono::duration_cast<Duration>(now - *since) : Duration{};
}

std::uint16_t tenths(Duration time) {
  return static_cast<std::uint16_t>(std::clamp<std::int64_t>(time.count() / 100, 0, UINT16_MAX));
}

}  // namespace

// --- rows of nodes ----------------------------------------------------------------------------

void PlaceShares::become(Mode mode) {
  if (mode_ == mode) return;
  // What a node alone has claimed goes, or is looked for again when it is not alone any more.
  if (mode == Mode::alone) {
    needs_owned_ = mode_ == Mode::unknown || !shares_.empty() || needs_owned_;
    shares_.clear();
    former_.clear();
    lacking_ = 0;
  }
  count_ = mode_ == Mode::unknown ? NodeCount::joined(nodes_) : NodeCount{1, 1, false};
  mode_ = mode;
}

bool PlaceShares::has_read(const Row& row) {
  if (row.seen == set_) return true;
  if (row.id.value >= kNodes) return false;
  Begin& begin = begins_.at(row.id.value);
  if (begin.term != row.term) begin = {row.term, row.beat};
  return row.seen == 0 && begin.beat < row.beat &&
         static_cast<std::uint64_t>(row.beat.value) -
                 static_cast<std::uint64_t>(begin.beat.value) >=
             kSilentBeats;
}

bool PlaceShares::read_set(std::span<const Row> rows) {
  const bool there = std::any_of(rows.begin(), rows.end(), [this](const Row& row) {
    return row.id == self_ && row.term == term_ && row.state != NodeState::gone;
  });
  if (!there) return false;
  nodes_ = static_cast<unsigned>(std::count_if(
      rows.begin(), rows.end(), [](const Row& row) { return row.state != NodeState::gone; }));
  set_ = number_of_set(rows);
  all_seen_ = true;
  for (const Row& row : rows)
    if (row.state != NodeState::gone && !has_read(row)) all_seen_ = false;
  return true;
}

void PlaceShares::beat(std::span<const Row> rows, BootTime now) {
  if (!read_set(rows)) return;
  become(nodes_ == 1 ? Mode::alone : Mode::shared);
  if (mode_ == Mode::alone) return;
  count_.read(nodes_);
  for (auto& [number, nodes] : former_) nodes.read(nodes_);
  note_wants(rows, now);
  if (all_seen_) agree();
}

// What a node that does not beat wanted keeps nobody waiting.
void PlaceShares::note_wants(std::span<const Row> rows, BootTime now) {
  others_.clear();
  over_.clear();
  for (const Row& row : rows) {
    if (row.state == NodeState::gone || row.id.value >= kNodes) continue;
    if (std::exchange(beats_.at(row.id.value), row.beat) != row.beat) moved_.at(row.id.value) = now;
    auto wants = read_wants(row.wants);
    if (!wants) continue;
    const bool fresh = row.id != self_ && now - moved_.at(row.id.value) < kWantsFresh;
    for (const PlaceWant& one : *wants) {
      if (one.over) over_.insert(one.key);
      if (!fresh) continue;
      Others& others = others_[one.key];
      others.lack = others.lack || one.lacks;
      others.wanted += one.wanted;
      others.starve = others.starve || one.starves;
      if (one.starves) others.waited.push_back(one.waited);
    }
  }
}

// All have read the present set, and keep to it, but for the groups that they name.
void PlaceShares::agree() {
  std::unordered_map<std::uint64_t, NodeCount> still;
  for (std::uint64_t number : over_) {
    auto found = former_.find(number);
    still.emplace(number, found != former_.end() ? found->second : count_);
  }
  former_ = std::move(still);
  count_.all_agree(nodes_);
}

const NodeCount& PlaceShares::nodes_of(const Share& share) const {
  auto found = former_.find(share.number);
  return found != former_.end() ? found->second : count_;
}

const PlaceShares::Others& PlaceShares::others_of(const Share& share) const {
  static const Others kNobody;
  auto found = others_.find(share.number);
  return found != others_.end() ? found->second : kNobody;
}

std::uint32_t PlaceShares::own_free(const Share& share) const {
  return usable({}, share.limit, nodes_of(share));
}

// --- claims -----------------------------------------------------------------------------------

// What this process knows of a claim is newer than what was found.
void PlaceShares::owned(const std::vector<std::pair<std::string, Claim>>& claims) {
  needs_owned_ = false;
  for (const auto& [key, claim] : claims) {
    auto [found, is_new] = shares_.try_emplace(key);
    Share& share = found->second;
    share.number = key_number(key);
    if (is_new || share.claim.places == 0) share.claim = claim;
  }
}

void PlaceShares::dropped() {
  needs_owned_ = false;
}

void PlaceShares::answered(std::span<const Claim> claims, BootTime now) {
  PW_CHECK(claims.size() == asked_.size());
  asking_ = false;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    auto found = shares_.find(asked_[i]);
    if (found == shares_.end()) continue;
    Share& share = found->second;
    const Claim& got = claims[i];
    if (!share.is_void() || share.keep == 0 || got.places > share.keep)
      share.made_under = share.limit;
    const bool same = share.asked_from == got;
    share.claim = got;
    share.asked = false;
    if (same && got.places > 0) share.grow_from = now + kMorePlacesPause;
    if (got.places > 0 && !share.held_since) share.held_since = now;
    if (got.places > 0) continue;
    share.held_since.reset();
    if (std::exchange(share.turn_over, false)) {
      share.away_until = now + kPlaceAway;
      share.starving_since = now;
    }
  }
  asked_.clear();
}

void PlaceShares::lost() {
  asking_ = false;
  for (const std::string& key : asked_)
    if (auto found = shares_.find(key); found != shares_.end()) found->second.asked = false;
  asked_.clear();
}

std::uint64_t PlaceShares::claimed() const {
  std::uint64_t sum = 0;
  for (const auto& [key, share] : shares_) sum += share.claim.places;
  return sum;
}

// --- a look at what is open -------------------------------------------------------------------

PlaceShares::Decision PlaceShares::look(const std::vector<Demand>& demands, BootTime now,
                                        bool ask) {
  Decision out;
  lacking_ = 0;
  seen_ = mode_ == Mode::alone ? set_ : kNotRead;
  wants_.clear();
  if (mode_ == Mode::alone) return out;
  out.free_from = free_everywhere() ? count_.most : kNoBound;
  if (mode_ == Mode::unknown) return out;
  take(demands);
  for (auto& [key, share] : shares_) judge(share, now);
  if (ask && !asking_ && !needs_owned_) make_wishes(now, out);
  for (const auto& [key, share] : shares_)
    if (!share.group.empty()) out.allowances.push_back(allowance(share));
  write_row(now);
  forget_idle(now);
  return out;
}

// Free places may be used without a look. Not while there are groups for which that is wrong: the
// rows name them by a number, and whoever asks for a connection has only a name.
bool PlaceShares::free_everywhere() const {
  return mode_ == Mode::shared && !count_.newcomer && former_.empty();
}

// Groups whose demand fits into the free place need no claim, and are not kept.
void PlaceShares::take(const std::vector<Demand>& demands) {
  for (auto& [key, share] : shares_) share.open = share.waiting = 0;
  for (const Demand& one : demands) {
    if (one.limit == 0) continue;
    std::string key = place_key(one.group);
    auto found = shares_.find(key);
    if (found == shares_.end()) {
      const std::uint64_t number = key_number(key);
      const bool fits =
          free_everywhere() && count_.most <= one.limit && one.open + one.waiting <= 1;
      if (fits) continue;
      found = shares_.emplace(std::move(key), Share{}).first;
      found->second.number = number;
    }
    Share& share = found->second;
    share.group = one.group;
    share.limit = one.limit;
    share.open = one.open;
    share.waiting = one.waiting;
    if (share.made_under == 0) share.made_under = one.limit;
  }
}

void PlaceShares::judge(Share& share, BootTime now) {
  const std::uint32_t own = own_free(share);
  share.usable = share.is_void() ? 0 : cluster::usable(share.claim, share.limit, nodes_of(share));
  const bool beyond = share.connections() < share.claim.places + own;
  if (!beyond)
    share.beyond_since.reset();
  else if (!share.beyond_since)
    share.beyond_since = now;
  const bool starves = share.usable == 0 && share.connections() > 0;
  if (!starves)
    share.starving_since.reset();
  else if (!share.starving_since)
    share.starving_since = now;
  if (share.claim.places > 0 && !share.held_since) share.held_since = now;
  share.target = target_of(share, now);
  share.unrecorded = share.open > own && share.open - own > share.claim.places;
  if (share.connections() > share.usable) ++lacking_;
}

std::uint32_t PlaceShares::target_of(Share& share, BootTime now) const {
  const Others& others = others_of(share);
  PlaceNeed need;
  need.limit = share.limit;
  need.nodes = nodes_of(share);
  need.running = share.open;
  need.wanted = share.connections();
  need.queued = share.connections();
  need.queued_all = others.wanted + share.connections();
  need.others_want = others.lack;
  need.others_starve = others.starve;
  need.beyond_need = elapsed(share.beyond_since, now);
  if (others.starve && goes_round(need)) {
    if (elapsed(share.held_since, now) >= kPlaceTurn) share.turn_over = true;
    if (share.turn_over || now < share.away_until) return 0;
  } else {
    share.turn_over = false;
  }
  return claim_wanted(share.claim, need);
}

// Who has waited for his first place for longer comes first.
bool PlaceShares::wishes_now(const Share& share, BootTime now) const {
  if (share.asked || share.group.empty()) return share.group.empty() && share.claim.places > 0;
  if (share.unrecorded) return true;
  const std::uint32_t own = own_free(share);
  if (share.is_void()) return share.open == 0;
  if (share.target < share.claim.places) return share.open <= share.target + own;
  if (share.target == 0) return false;
  const std::uint32_t kept = free_places(share.limit, nodes_of(share));
  if (share.target == share.claim.places && share.claim.kept_free == kept) return false;
  if (count_.newcomer || now < share.grow_from) return false;
  if (share.usable > 0) return true;
  const std::uint16_t mine = tenths(elapsed(share.starving_since, now));
  const Others& others = others_of(share);
  auto longer = std::count_if(others.waited.begin(), others.waited.end(),
                              [mine](std::uint16_t waited) { return waited > mine; });
  return static_cast<std::uint64_t>(longer) < share.limit;
}

PlaceShares::Wish PlaceShares::wish(const std::string& key, Share& share) {
  const std::uint32_t own = own_free(share);
  const std::uint32_t used = share.open - std::min(share.open, own);
  const std::uint32_t kept = free_places(share.limit, nodes_of(share));
  Wish wish{key, share.limit, share.target, std::min(share.claim.places, share.target), kept};
  // A claim that is worth less than it says is made again by what is used of it.
  if (share.is_void() || share.claim.kept_free < kept) wish.keep = std::min(wish.keep, used);
  if (share.unrecorded) wish.keep = used;
  wish.wanted = std::max(wish.wanted, wish.keep);
  share.asked = true;
  share.asked_from = share.claim;
  share.keep = wish.keep;
  // Until the answer comes, and if it never does.
  share.claim.places = std::min(share.claim.places, wish.keep);
  share.usable = share.is_void() ? 0 : cluster::usable(share.claim, share.limit, nodes_of(share));
  return wish;
}

// What is open already first, then what can be given back, then those that have nothing.
void PlaceShares::make_wishes(BootTime now, Decision& out) {
  auto turn = [](const Share& share) {
    if (share.unrecorded) return 0;
    if (share.target < share.claim.places) return 1;
    return share.usable == 0 ? 2 : 3;
  };
  std::vector<std::pair<int, const std::string*>> due;
  for (const auto& [key, share] : shares_)
    if (wishes_now(share, now)) due.emplace_back(turn(share), &key);
  std::stable_sort(due.begin(), due.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (due.size() > kPlaceWishesMax) due.resize(kPlaceWishesMax);
  for (const auto& [order, key] : due) out.wishes.push_back(wish(*key, shares_.at(*key)));
  for (const Wish& one : out.wishes) asked_.push_back(one.key);
  asking_ = !asked_.empty();
}

// Nobody is to end before it is known what there is.
PlaceShares::Allowance PlaceShares::allowance(const Share& share) const {
  std::uint32_t places = share.usable;
  if (share.target < share.claim.places) places = std::min(places, share.target + own_free(share));
  return {share.group, places, !share.asked && !share.unrecorded && !needs_owned_};
}

// This node has read the set when all that is open stands in the table, and what is more than it
// may have is told.
void PlaceShares::write_row(BootTime now) {
  std::vector<PlaceWant> wants;
  bool recorded = !needs_owned_;
  for (const auto& [key, share] : shares_) {
    recorded = recorded && !share.unrecorded;
    PlaceWant one;
    one.key = share.number;
    one.wanted = share.connections();
    one.waited = tenths(elapsed(share.starving_since, now));
    one.lacks = share.connections() > share.usable;
    one.starves = share.usable == 0 && share.connections() > 0;
    one.over = share.open > share.usable;
    const bool others = others_.count(share.number) > 0 && share.connections() > 0;
    if (one.lacks || one.over || others) wants.push_back(one);
  }
  std::stable_sort(wants.begin(), wants.end(), [](const PlaceWant& a, const PlaceWant& b) {
    if (rank_of(a) != rank_of(b)) return rank_of(a) < rank_of(b);
    return a.waited > b.waited;
  });
  const bool all = wants.size() <= kWantsMax || !wants[kWantsMax].over;
  if (wants.size() > kWantsMax) wants.resize(kWantsMax);
  wants_ = wants_text(wants);
  seen_ = recorded && all ? set_ : kNotRead;
}

void PlaceShares::forget_idle(BootTime now) {
  std::erase_if(shares_, [&](const auto& entry) {
    const Share& share = entry.second;
    return share.claim.places == 0 && !share.asked && share.connections() == 0 &&
           now >= share.away_until;
  });
}

}  // namespace postwain::qmgr::cluster
