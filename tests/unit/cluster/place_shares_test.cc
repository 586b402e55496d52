// Connections of several nodes under limits that hold over all of them, in virtual time: each node
// has the real ledger of its connections and the real decisions; the table of claims and the rows
// of the nodes are the test's own. Beats and claims come in any order, and answers are lost.
#include <catch2/catch.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "qmgr/cluster/place_shares.h"
#include "qmgr/scheduling/connection_ledger.h"
#include "tests/unit/cluster/cluster_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::cluster;
using namespace postwain::test;

namespace {

struct PlaceGroup {
  std::string name;
  std::uint32_t limit;
};

// What the database has.
struct PlaceTable {
  struct Row {
    NodeState state = NodeState::gone;
    std::int64_t term = 0;
    std::int64_t beat = 0;
    std::int64_t seen = 0;
    std::string wants;
  };
  std::map<unsigned, Row> rows;
  std::map<std::string, std::map<unsigned, Claim>> claims;
  std::uint64_t transactions = 0;

  std::vector<Claim> claim(unsigned node, const std::vector<PlaceShares::Wish>& wishes) {
    ++transactions;
    std::vector<Claim> out;
    for (const PlaceShares::Wish& one : wishes) {
      auto& of_key = claims[one.key];
      std::uint64_t others = 0;
      for (const auto& [who, claim] : of_key)
        if (who != node) others += claim.places;
      of_key[node] = regrant(of_key[node], one.keep, one.wanted, one.limit, one.kept_free, others);
      out.push_back(of_key[node]);
      if (out.back().places == 0) of_key.erase(node);
    }
    return out;
  }
  void drop(unsigned node) {
    for (auto& [key, of_key] : claims) of_key.erase(node);
  }
};

// One node: its process, and the connections of its delivery client, which outlive it.
class PlaceNode {
 public:
  PlaceNode(unsigned number, PlaceTable& table, const std::vector<PlaceGroup>& groups)
      : number_(number), table_(table), groups_(groups) {}

  std::map<std::size_t, std::uint32_t> wanted;  // of a group: connections
  std::map<std::size_t, std::uint64_t> opened;  // in all
  bool runs() const { return process_ != nullptr; }
  bool is_frozen = false;

  void start(std::int64_t ms) {
    PlaceTable::Row& row = table_.rows[number_];
    ++row.term;
    row.state = NodeState::live;
    row.seen = 0;
    row.wants.clear();
    process_ =
        std::make_unique<Process>(NodeNumber{static_cast<std::uint8_t>(number_)}, Term{row.term});
    process_->ledger.share(UINT32_MAX, {}, MonoTime(Duration(ms)));
    for (const auto& [request, group] : open_)
      REQUIRE(process_->ledger.ask(1, ask_of(request, group, true), MonoTime(Duration(ms))));
    waiting_.clear();
    process_->open_at = ms + 2000;
    step(ms, false);
  }
  void kill_process() { process_.reset(); }
  void kill_all() {
    process_.reset();
    open_.clear();
    ending_.clear();
  }
  std::uint32_t open(std::size_t group) const {
    return static_cast<std::uint32_t>(std::count_if(
        open_.begin(), open_.end(), [&](const auto& one) { return one.second == group; }));
  }
  bool has_none_open() const { return open_.empty(); }
  std::int64_t last_beat = -1000;

  void send_beat(std::int64_t ms) {
    PlaceTable::Row& row = table_.rows[number_];
    last_beat = ms;
    ++row.beat;
    row.seen = process_->shares.seen();
    row.wants = process_->shares.wants();
    process_->rows = table_.rows;
  }
  void beat_answered(std::int64_t ms) {
    std::vector<PlaceShares::Row> rows;
    for (const auto& [number, row] : process_->rows)
      rows.push_back({NodeNumber{static_cast<std::uint8_t>(number)}, Term{row.term}, row.state,
                      Beat{row.beat}, row.seen, row.wants});
    process_->shares.beat(rows, boot(ms));
    step(ms, true);
  }
  // The keeper's transaction reaches the table, then its answer comes, or does not.
  bool keeper_waits() const { return process_ && !process_->keeper.empty(); }
  void keeper_runs(std::int64_t ms, bool applied, bool answer) {
    auto job = std::move(process_->keeper.front());
    process_->keeper.pop_front();
    std::vector<Claim> claims;
    PlaceShares& shares = process_->shares;
    if (job.empty()) {
      if (shares.needs_drop() && applied) {
        table_.drop(number_);
        if (answer) shares.dropped();
      } else if (shares.needs_owned() && applied && answer) {
        std::vector<std::pair<std::string, Claim>> own;
        for (const auto& [key, of_key] : table_.claims)
          if (auto mine = of_key.find(number_); mine != of_key.end())
            own.emplace_back(key, mine->second);
        shares.owned(own);
      }
      process_->looks = false;
    } else {
      if (applied) claims = table_.claim(number_, job);
      if (applied && answer)
        shares.answered(claims, boot(ms));
      else
        shares.lost();
    }
    step(ms, false);
  }
  // The delivery client: it asks for what it wants, ends what it is asked to end.
  void run_client(std::int64_t ms, std::mt19937& random) {
    MonoTime now = MonoTime(Duration(ms));
    for (auto it = ending_.begin(); it != ending_.end();) {
      if (it->second > ms) {
        ++it;
        continue;
      }
      open_.erase(it->first);
      if (process_) process_->ledger.end(1, it->first, now);
      it = ending_.erase(it);
    }
    if (!process_) return;
    if (process_->open_at && ms >= *process_->open_at) {
      process_->ledger.open(now);
      process_->open_at.reset();
    }
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      std::uint32_t has = open(g) + static_cast<std::uint32_t>(std::count_if(
                                        waiting_.begin(), waiting_.end(),
                                        [&](const auto& one) { return one.second == g; }));
      for (; has < wanted[g]; ++has) {
        REQUIRE(process_->ledger.ask(1, ask_of(++request_, g, false), now));
        waiting_[request_] = g;
      }
      for (auto it = waiting_.begin(); has > wanted[g] && it != waiting_.end();) {
        if (it->second != g) {
          ++it;
          continue;
        }
        process_->ledger.end(1, it->first, now);
        it = waiting_.erase(it);
        --has;
      }
    }
    process_->ledger.advance(now);
    for (const auto& grant : process_->ledger.take_grants()) {
      auto found = waiting_.find(grant.request);
      if (found == waiting_.end()) continue;
      open_[grant.request] = found->second;
      ++opened[found->second];
      waiting_.erase(found);
    }
    for (const auto& one : process_->ledger.take_wanted()) {
      for (const auto& [request, group] : open_)
        if (group == one.owner && ending_.count(request) == 0) {
          ending_[request] = ms + std::uniform_int_distribution<int>(0, 2000)(random);
          break;
        }
    }
  }
  void end_some(std::int64_t ms, std::mt19937& random) {
    if (open_.empty()) return;
    auto which = open_.begin();
    std::advance(which, std::uniform_int_distribution<std::size_t>(0, open_.size() - 1)(random));
    ending_[which->first] = ms;
  }
  std::size_t lacking() const { return process_->shares.lacking(); }
  bool is_alone() const { return process_->shares.is_alone(); }
  std::uint64_t claimed() const { return process_->shares.claimed(); }

 private:
  struct Process {
    Process(NodeNumber number, Term term) : shares(number, term) {}
    PlaceShares shares;
    ConnectionLedger ledger;
    std::map<unsigned, PlaceTable::Row> rows;  // as the beat under way has read them
    std::deque<std::vector<PlaceShares::Wish>> keeper;
    bool looks = false;
    std::optional<std::int64_t> open_at;
  };

  static BootTime boot(std::int64_t ms) { return BootTime(Duration(ms)); }
  // The owner of a connection is its group here.
  ipc::ConnectionRequest ask_of(std::uint64_t request, std::size_t group, bool held) const {
    return {request, group, held, {{groups_[group].name, groups_[group].limit, 0, {}}}};
  }
  // As qmgr/nodes/shared_places.cc does it.
  void step(std::int64_t ms, bool ask) {
    std::vector<PlaceShares::Demand> demands;
    for (auto& one : process_->ledger.demands())
      demands.push_back({one.group, one.limit, one.used, one.waiting});
    PlaceShares::Decision now = process_->shares.look(demands, boot(ms), ask);
    std::vector<ConnectionLedger::Allowance> allowances;
    for (const auto& one : now.allowances) allowances.push_back({one.group, one.places, one.press});
    process_->ledger.share(now.free_from, allowances, MonoTime(Duration(ms)));
    if (!now.wishes.empty()) process_->keeper.push_back(now.wishes);
    bool look = process_->shares.needs_owned() || process_->shares.needs_drop();
    if (ask && look && !std::exchange(process_->looks, true)) process_->keeper.push_back({});
  }

  unsigned number_;
  PlaceTable& table_;
  const std::vector<PlaceGroup>& groups_;
  std::unique_ptr<Process> process_;
  std::map<std::uint64_t, std::size_t> open_;
  std::map<std::uint64_t, std::size_t> waiting_;
  std::map<std::uint64_t, std::int64_t> ending_;  // at this time
  std::uint64_t request_ = 0;
};

struct PlaceWorld {
  PlaceWorld(std::vector<PlaceGroup> all, unsigned count, unsigned seed)
      : groups(std::move(all)), random(seed) {
    for (unsigned i = 0; i < count; ++i)
      nodes.push_back(std::make_unique<PlaceNode>(i, table, groups));
  }
  bool chance(unsigned in) { return std::uniform_int_distribution<unsigned>(1, in)(random) == 1; }
  std::uint32_t below(std::uint32_t n) {
    return std::uniform_int_distribution<std::uint32_t>(0, n - 1)(random);
  }

  // losses: one of so many answers is lost; 0: none.
  void run(std::int64_t until, unsigned losses) {
    for (; ms < until; ms += 10) {
      for (auto& node : nodes) {
        node->run_client(ms, random);
        if (!node->runs() || node->is_frozen) continue;
        if (beating.count(node.get()) > 0) {
          if (!chance(4)) continue;
          beating.erase(node.get());
          if (losses == 0 || !chance(losses)) node->beat_answered(ms);
        } else if (ms >= node->last_beat + 500) {
          node->send_beat(ms);
          beating.insert(node.get());
        }
        if (node->keeper_waits() && chance(3))
          node->keeper_runs(ms, losses == 0 || !chance(losses), losses == 0 || !chance(losses));
      }
      check();
    }
  }
  void check() {
    for (std::size_t g = 0; g < groups.size(); ++g) {
      std::uint32_t sum = 0;
      for (auto& node : nodes) sum += node->open(g);
      most[g] = std::max(most[g], sum);
      if (sum > groups[g].limit) {
        INFO("group " << groups[g].name << " at " << ms);
        for (auto& node : nodes) UNSCOPED_INFO(node->open(g));
        for (const auto& [key, claims] : table.claims)
          for (const auto& [who, claim] : claims)
            UNSCOPED_INFO(key << " " << who << ": " << claim.places << "/" << claim.kept_free);
        REQUIRE(sum <= groups[g].limit);
      }
    }
  }
  void begin(unsigned node) { nodes[node]->start(ms); }
  // Others notice after five seconds.
  void end_term(unsigned node) {
    table.rows[node].state = NodeState::gone;
    ++table.rows[node].term;
    table.drop(node);
  }

  std::vector<PlaceGroup> groups;
  std::mt19937 random;
  PlaceTable table;
  std::vector<std::unique_ptr<PlaceNode>> nodes;
  std::set<PlaceNode*> beating;
  std::map<std::size_t, std::uint32_t> most;
  std::int64_t ms = 0;
};

}  // namespace

TEST_CASE("PS1: the wants of a row are read as they were written, and nothing else is") {
  std::vector<PlaceWant> wants{{7, 3, 12, true, false, true},
                               {UINT64_MAX, UINT32_MAX, UINT16_MAX, false, true, false}};
  std::string text = wants_text(wants);
  CHECK(text.size() == 32);
  CHECK(read_wants(text) == wants);
  CHECK(read_wants("")->empty());
  CHECK_FALSE(read_wants(text.substr(1)));
  CHECK_FALSE(read_wants(std::string(16 * (kWantsMax + 1), '\0')));
  CHECK(read_wants(std::string(16 * kWantsMax, '\0'))->size() == kWantsMax);
  CHECK_FALSE(read_wants(std::string(16, '\xff')));
  std::string longest(70'000, 'x');
  CHECK(place_key(longest).size() == kPlaceKeyMax);
  CHECK(place_key(longest) != place_key(longest + 'y'));
  CHECK(place_key("mx\n") == "place:mx\n");
}

TEST_CASE("PS2: a node alone claims nothing, and has the limits of one machine") {
  PlaceWorld world({{"a", 5}, {"b", 1}}, 1, 1);
  world.begin(0);
  world.nodes[0]->wanted = {{0, 9}, {1, 3}};
  world.run(6000, 0);
  CHECK(world.nodes[0]->open(0) == 5);
  CHECK(world.nodes[0]->open(1) == 1);
  CHECK(world.nodes[0]->is_alone());
  CHECK(world.table.claims.empty());
  CHECK(world.table.transactions == 0);
}

TEST_CASE("PS3: limits are kept and used when nodes join under load") {
  PlaceWorld world({{"one", 1}, {"two", 2}, {"five", 5}, {"twenty", 20}}, 3, 5);
  world.begin(0);
  for (std::size_t g = 0; g < 4; ++g)
    for (auto& node : world.nodes) node->wanted[g] = 20;
  world.run(5000, 0);
  for (std::size_t g = 0; g < 4; ++g) CHECK(world.nodes[0]->open(g) == world.groups[g].limit);
  world.begin(1);
  world.run(15'000, 0);
  world.begin(2);
  world.run(40'000, 0);
  for (auto& node : world.nodes) {
    CHECK(node->open(2) >= 1);
    CHECK(node->open(3) >= 4);
  }
  std::uint32_t sum = 0;
  for (auto& node : world.nodes) sum += node->open(3);
  CHECK(sum >= 18);
  for (std::size_t g = 0; g < 4; ++g) CHECK(world.most[g] == world.groups[g].limit);
}

TEST_CASE("PS4: with fewer places than nodes everybody has his turn") {
  for (std::uint32_t limit : {1U, 2U}) {
    for (unsigned seed = 0; seed < 10; ++seed) {
      CAPTURE(limit, seed);
      PlaceWorld world({{"few", limit}}, 3, seed);
      for (unsigned i = 0; i < 3; ++i) {
        world.nodes[i]->wanted[0] = 1 + seed % 3;
        world.begin(i);
      }
      std::uint64_t used = 0;
      std::map<unsigned, std::int64_t> had;
      std::int64_t longest = 0;
      for (std::int64_t at = 10'000; at < 100'000; at += 50) {
        world.run(at, 0);
        for (unsigned i = 0; i < 3; ++i) {
          if (world.nodes[i]->open(0) > 0) had[i] = at;
          used += world.nodes[i]->open(0);
          if (at > 30'000) longest = std::max(longest, at - had[i]);
        }
      }
      CHECK(longest < 20'000);
      CHECK(used * 50 > std::uint64_t{limit} * 90'000 * 6 / 10);
      CHECK(world.table.transactions < 1200);
    }
  }
}

TEST_CASE("PS5: places that nobody needs any more are free for others soon") {
  PlaceWorld world({{"x", 20}}, 2, 3);
  for (unsigned i = 0; i < 2; ++i) world.begin(i);
  world.nodes[0]->wanted[0] = 30;
  world.run(8000, 0);
  CHECK(world.nodes[0]->open(0) == 19);
  world.nodes[0]->wanted[0] = 0;
  for (int i = 0; i < 19; ++i) {
    world.nodes[0]->end_some(world.ms, world.random);
    world.run(world.ms + 20, 0);
  }
  world.nodes[1]->wanted[0] = 30;
  world.run(world.ms + 3000, 0);
  CHECK(world.nodes[1]->open(0) == 19);
  world.nodes[1]->wanted[0] = 0;
  while (!world.nodes[1]->has_none_open()) {
    world.nodes[1]->end_some(world.ms, world.random);
    world.run(world.ms + 20, 0);
  }
  world.run(world.ms + 5000, 0);
  std::size_t left = 0;
  for (const auto& [key, claims] : world.table.claims) left += claims.size();
  CHECK(left == 0);
  std::uint64_t before = world.table.transactions;
  world.run(world.ms + 20'000, 0);
  CHECK(world.table.transactions == before);
}

TEST_CASE("PS6: never more than the limit, whatever becomes of nodes and answers") {
  for (unsigned seed = 300; seed < 600; ++seed) {
    CAPTURE(seed);
    PlaceWorld world({{"one", 1}, {"two", 2}, {"four", 4}, {"nine", 9}}, 4, seed);
    std::map<unsigned, std::int64_t> fence_at;
    world.begin(0);
    for (int i = 0; i < 250; ++i) {
      world.run(world.ms + world.below(700), 6);
      for (auto it = fence_at.begin(); it != fence_at.end();) {
        if (it->second > world.ms) {
          ++it;
          continue;
        }
        world.end_term(it->first);
        it = fence_at.erase(it);
      }
      unsigned n = world.below(4);
      PlaceNode& node = *world.nodes[n];
      switch (world.below(12)) {
        case 0:
          if (!node.runs() && fence_at.count(n) == 0) world.begin(n);
          break;
        case 1:  // the process alone, and a new one
          if (node.runs()) {
            world.beating.erase(&node);
            node.kill_process();
            world.run(world.ms + world.below(1500), 6);
            world.begin(n);
          }
          break;
        case 2:
          if (node.runs()) {
            world.beating.erase(&node);
            node.kill_all();
            fence_at[n] = world.ms + 5000;
          }
          break;
        case 3:  // an orderly end
          if (node.runs() && node.has_none_open()) {
            world.beating.erase(&node);
            node.kill_all();
            world.end_term(n);
          }
          break;
        case 4:
        case 5:
          node.end_some(world.ms, world.random);
          break;
        default:
          node.wanted[world.below(4)] = world.below(12);
      }
    }
    for (std::size_t g = 0; g < 4; ++g) CHECK(world.most[g] >= 1);
  }
}

TEST_CASE("PS7: a program that knows nothing of this is not waited for, and one that does is") {
  for (std::int64_t says : {std::int64_t{0}, kNotRead, std::int64_t{77}}) {
    CAPTURE(says);
    PlaceWorld world({{"x", 5}}, 1, 1);
    world.table.rows[9].state = NodeState::live;
    world.table.rows[9].term = 3;
    world.table.rows[9].seen = says;
    world.begin(0);
    world.nodes[0]->wanted[0] = 9;
    for (int i = 0; i < 40; ++i) {
      ++world.table.rows[9].beat;
      world.run(world.ms + 500, 0);
    }
    CHECK(world.nodes[0]->open(0) == (says == 0 ? 4U : 0U));
  }
}
