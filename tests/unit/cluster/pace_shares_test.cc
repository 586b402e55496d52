// Rates of several nodes that share them, in virtual time: each node has the real decisions; the
// rows of the table are the test's own, moved by the arithmetic that the statement has. Calls take
// time, nodes are killed, and answers are lost.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "qmgr/cluster/pace_shares.h"

using namespace postwain;
using namespace postwain::qmgr::cluster;
using namespace std::chrono_literals;

namespace {

constexpr Duration kNever = 24h * 365;

BootTime pace_time(Duration since_begin) {
  return BootTime(24h + since_begin);
}

// The database's clock has nothing to do with those of the nodes.
struct PaceRows {
  std::map<std::string, WallTime> rows;
  std::uint64_t calls = 0;

  std::vector<Duration> take(const std::vector<PaceShares::Wish>& wishes, Duration now) {
    ++calls;
    std::vector<Duration> aheads;
    for (const PaceShares::Wish& one : wishes) {
      WallTime& row = rows[one.key];
      const Moved moves = moved(row, WallTime(24h * 365 * 50 + now), one.burst, one.span, one.most);
      row = moves.next;
      aheads.push_back(moves.stood);
    }
    return aheads;
  }
};

// A node, and the call that it has under way.
class PaceNode {
 public:
  explicit PaceNode(PaceRows& table) : table_(table) {}

  PaceShares shares;
  std::uint64_t used = 0;

  // there: how long a wish is on its way; back: how long its answer is. lost: that one never comes.
  void talk(Duration now, Duration there, Duration back, bool lost) {
    if (read_at_ && *read_at_ <= now) {
      aheads_ = table_.take(wishes_, now);
      read_at_.reset();
    }
    if (back_at_ && *back_at_ <= now) {
      back_at_.reset();
      if (lost_)
        shares.lost();
      else
        shares.answered(aheads_, pace_time(now));
    }
    if (back_at_ || !shares.wants()) return;
    wishes_ = shares.ask(pace_time(now));
    lost_ = lost;
    read_at_ = now + there;
    back_at_ = *read_at_ + back + (lost ? Duration(1s) : Duration{});
  }
  bool step(const std::string& key, const Rate& rate, Duration now) {
    if (shares.wait(key, rate, rate.per / 10, pace_time(now)) != Duration{}) return false;
    shares.take(key);
    ++used;
    return true;
  }

 private:
  PaceRows& table_;
  std::vector<PaceShares::Wish> wishes_;
  std::vector<Duration> aheads_;
  std::optional<Duration> read_at_;
  std::optional<Duration> back_at_;
  bool lost_ = false;
};

struct PaceStory {
  Rate rate;
  unsigned nodes = 1;
  bool steady = true;           // all want steps at any time
  unsigned lost = 0;            // answers, of a hundred
  Duration killed = kNever;     // the first node, and it never comes back
  Duration kill_each = kNever;  // then one of them is killed, and begins anew
};

class PaceRun {
 public:
  explicit PaceRun(const PaceStory& story) : story_(story), random_(story.nodes * 31 + story.lost) {
    gap = std::max(time_of(story.rate, 1), Duration(1));
    tick = std::max(gap / 200, Duration(1));
    window = std::max<Duration>(60s, 20 * gap);
    end = 2 * window;
    for (unsigned i = 0; i < story.nodes; ++i) nodes.push_back(std::make_unique<PaceNode>(table));
  }

  Duration gap{};
  Duration tick{};
  Duration window{};
  Duration end{};
  std::vector<std::unique_ptr<PaceNode>> nodes;
  std::vector<Duration> uses;
  PaceRows table;

  void run() {
    Duration next_kill = story_.kill_each;
    std::vector<bool> wants(nodes.size(), true);
    for (Duration now{}; now < end; now += tick) {
      if (now >= story_.killed && nodes[0] && story_.kill_each == kNever) nodes[0].reset();
      if (now >= next_kill) {
        nodes[random_() % nodes.size()] = std::make_unique<PaceNode>(table);
        next_kill += story_.kill_each;
      }
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (!nodes[i]) continue;
        if (!story_.steady && random_() % 300 == 0) wants[i] = !wants[i];
        nodes[i]->talk(now, tick * (1 + random_() % 5), tick * (1 + random_() % 5),
                       random_() % 100 < story_.lost);
        while (wants[i] && nodes[i]->step("x", story_.rate, now)) uses.push_back(now);
      }
    }
  }
  // Of the rate, in so long; for its time, and one more.
  double steps_in(Duration time) const {
    return static_cast<double>(story_.rate.steps) * static_cast<double>(time.count()) /
           static_cast<double>(story_.rate.per.count());
  }
  // The most that were used within any window, and the most that may be.
  std::size_t most_used() const {
    std::size_t most = 0;
    for (std::size_t first = 0, last = 0; last < uses.size(); ++last) {
      while (uses[last] - uses[first] > window) ++first;
      most = std::max(most, last - first + 1);
    }
    return most;
  }
  double most_allowed() const {
    const Duration way = 12 * tick;
    return steps_in(window + lateness(story_.rate, story_.rate.per / 10) + way) + 1.0;
  }
  std::size_t used_since(Duration begin) const {
    return static_cast<std::size_t>(
        std::count_if(uses.begin(), uses.end(), [&](Duration at) { return at >= begin; }));
  }

 private:
  PaceStory story_;
  std::mt19937 random_;
};

const std::vector<Rate> kPaceRates = {{1, 24h},  {20, 24h},  {1, 1h},    {7, 1h},
                                      {1, 1min}, {60, 1min}, {1, 1s},    {3, 1s},
                                      {10, 1s},  {100, 1s},  {1000, 1s}, {10000, 1s}};

}  // namespace

TEST_CASE("P5: pace: slices") {
  CHECK(slice_size({10, 1s}, 3, 1s) == 3);
  CHECK(slice_size({10, 1s}, 50, 1s) == 10);
  CHECK(slice_size({10, 1s}, 500, 10s) == 100);
  CHECK(slice_size({60, 1min}, 50, 1s) == 1);
  CHECK(slice_size({7200, 1h}, 50, 1s) == 2);
  CHECK(slice_size({10, 1s}, 0, 1s) == 1);
  CHECK(slice_size({0, 0ms}, 5, 0ms) == 1);
  CHECK(slice_size({UINT32_MAX, 1ms}, UINT64_MAX, 10s) == UINT32_MAX);
  CHECK(time_of({3, 1s}, 1) == 334ms);
  CHECK(time_of({3, 1s}, 7) == 2334ms);
  CHECK(time_of({UINT32_MAX, 24h}, UINT32_MAX) == 24h);
  CHECK(time_of({1, 24h}, 32) == 32 * 24h);

  const BootTime noon = pace_time(12h);
  const Slice slice{noon, 4, 400ms};
  CHECK(slice.at(0) == noon);
  CHECK(slice.at(3) == noon + 300ms);
  CHECK(slice.at(99) == noon + 400ms);
  CHECK(slice.steps_before(noon) == 0);
  CHECK(slice.steps_before(noon + 1ms) == 1);
  CHECK(slice.steps_before(noon + 100ms) == 1);
  CHECK(slice.steps_before(noon + 101ms) == 2);
  CHECK(slice.steps_before(noon + 24h) == 4);
  const Slice huge{noon, UINT32_MAX, 10s};
  CHECK(huge.steps_before(noon + 5s) == UINT32_MAX / 2 + 1);
  CHECK(Slice{noon, 7, 10ms}.steps_before(noon + 9ms) == 7);
  CHECK(Slice{noon, 0, 0ms}.at(3) == noon);
}

TEST_CASE("P6: pace: the moment in the row moves by what is taken, within its bounds") {
  const WallTime noon{12h};
  struct {
    Duration row;  // seen from noon
    Duration burst;
    Duration span;
    Duration most;
    Duration stood;
    Duration next;
  } rows[] = {
      {-5min, 0s, 400ms, 1h, 0s, 400ms},     // unused time is not made up for
      {-5min, 2s, 400ms, 1h, -2s, -1600ms},  // but for the burst
      {-1s, 2s, 400ms, 1h, -1s, -600ms},
      {3s, 2s, 400ms, 1h, 3s, 3400ms},      // others were first
      {3h, 2s, 400ms, 1h, 1h, 1h + 400ms},  // more than there can be
      {3s, 2s, 0s, 1h, 3s, 3s},             // who only looks moves nothing
      {3s, 0s, -1s, 1h, 3s, 2s},            // something is given back
      {3s, 1s, -1h, 1h, 3s, -1s},           // and no more than that
      {-5min, 1s, -1h, 1h, -1s, -1s},
  };
  for (const auto& row : rows) {
    const Moved got = moved(noon + row.row, noon, row.burst, row.span, row.most);
    CAPTURE(row.row.count(), row.span.count());
    CHECK(got.stood == row.stood);
    CHECK(got.next == noon + row.next);
  }
  CHECK(moved(WallTime::min(), noon, 1s, 1s, 1h).stood == -1s);
  CHECK(moved(WallTime::max(), noon, 1s, 1s, 1h).stood == 1h);
}

TEST_CASE("P7: pace: of any number of nodes the rate is kept, and never exceeded") {
  for (const Rate& rate : kPaceRates)
    for (unsigned nodes : {1U, 2U, 3U, 5U}) {
      PaceRun run({rate, nodes});
      run.run();
      CAPTURE(rate.steps, rate.per.count(), nodes);
      CHECK(static_cast<double>(run.most_used()) <= run.most_allowed());
      const Duration settled = std::max<Duration>(10s, 2 * run.gap);
      CHECK(static_cast<double>(run.used_since(settled)) >=
            0.98 * run.steps_in(run.end - settled) - 1.0);
      // Each of them gets some.
      for (const auto& node : run.nodes)
        CHECK(static_cast<double>(node->used) * nodes * 5 >= run.steps_in(run.end));
    }
}

TEST_CASE("P8: pace: nodes that die, lost answers and any demand make no rate faster") {
  for (const Rate& rate : std::span(kPaceRates).first(kPaceRates.size() - 1))
    for (unsigned nodes : {2U, 4U})
      for (bool steady : {true, false})
        for (unsigned lost : {0U, 20U})
          for (Duration kills : {Duration(7s), kNever}) {
            PaceStory story{rate, nodes, steady, lost, kNever, kills};
            if (kills != kNever && rate.per > 1s) story.kill_each = rate.per / 3;
            PaceRun run(story);
            run.run();
            CAPTURE(rate.steps, rate.per.count(), nodes, steady, lost, kills.count());
            CHECK(static_cast<double>(run.most_used()) <= run.most_allowed());
            CHECK(run.used_since(run.end / 2) > 0);
          }
}

TEST_CASE("P8: pace: what a dead node had taken is lost, and the others go on") {
  for (const Rate& rate : kPaceRates) {
    PaceRun run({rate, 3, true, 0, 30s});
    run.run();
    CAPTURE(rate.steps, rate.per.count());
    const Duration settled = 30s + std::max<Duration>(10s, 4 * run.gap);
    CHECK(static_cast<double>(run.used_since(settled)) >=
          0.98 * run.steps_in(run.end - settled) - 1.0);
  }
}

TEST_CASE("P9: pace: a step that is far away is not taken before it is due") {
  PaceRows table;
  const Rate hourly{1, 1h};
  Duration now{};
  PaceNode first(table);
  auto waits = [&](PaceNode& node) {
    for (int i = 0; i < 5; ++i) {
      (void)node.shares.wait("x", hourly, 6min, pace_time(now));
      node.talk(now, 1ms, 1ms, false);
      now += 2ms;
      node.talk(now, 1ms, 1ms, false);
    }
    return node.shares.wait("x", hourly, 6min, pace_time(now));
  };
  CHECK(waits(first) == 0s);
  first.shares.take("x");
  const auto left = waits(first);
  REQUIRE(left);
  CHECK(*left > 50min);
  // However often a node begins anew and waits.
  for (int i = 0; i < 40; ++i) {
    PaceNode again(table);
    CHECK(waits(again) <= *left);
  }
  now += *left;
  CHECK(waits(first) == 0s);
}

TEST_CASE("P9: pace: nobody waits for longer than all nodes together can have taken") {
  const Rate rate{10, 1s};
  PaceShares shares;
  CHECK_FALSE(shares.wait("x", rate, 100ms, pace_time(0s)));
  auto wishes = shares.ask(pace_time(0s));
  REQUIRE(wishes.size() == 1);
  CHECK(wishes[0].most <= 11min);
  CHECK(wishes[0].burst == 100ms);
  CHECK(wishes[0].span == 100ms);
  const std::vector<Duration> absurd = {kNever};
  shares.answered(absurd, pace_time(0s));
  CHECK(shares.wait("x", rate, 100ms, pace_time(0s)) == wishes[0].most);
}

TEST_CASE(
    "P9: pace: what nobody waits for is forgotten, and no more is remembered than there may be") {
  PaceShares shares;
  const Rate rate{10, 1s};
  for (std::size_t i = 0; i < kPaceKeysMax; ++i)
    CHECK_FALSE(shares.wait(std::to_string(i), rate, 0ms, pace_time(0s)));
  CHECK(shares.wait("more", rate, 0ms, pace_time(2s)) == kPaceCrowded);
  Duration now = 0s;
  while (shares.wants()) {
    auto wishes = shares.ask(pace_time(now));
    CHECK(wishes.size() <= kPaceKeysAtOnce);
    shares.answered(std::vector<Duration>(wishes.size()), pace_time(now));
  }
  CHECK(shares.size() == kPaceKeysMax);
  shares.forget_idle(pace_time(kPaceIdle - 1s));
  CHECK(shares.size() == kPaceKeysMax);
  (void)shares.wait("7", rate, 0ms, pace_time(kPaceIdle - 1s));
  CHECK_FALSE(shares.wait("more", rate, 0ms, pace_time(kPaceIdle + 20s)));
  CHECK(shares.size() == 2);
}

TEST_CASE("P9: pace: a rate that changes keeps nobody waiting, and two rates of one key go on") {
  PaceRows table;
  PaceNode node(table);
  Duration now{};
  std::map<std::uint32_t, int> used;
  auto run = [&](Duration time, const std::vector<Rate>& rates) {
    used.clear();
    for (const Duration until = now + time; now < until; now += 1ms) {
      node.talk(now, 2ms, 2ms, false);
      for (const Rate& rate : rates)
        if (node.step("x", rate, now)) ++used[rate.steps];
    }
  };
  run(10s, {{1, 24h}});
  CHECK(used[1] == 1);
  table.rows["x"] = WallTime{};  // as after so long
  run(10s, {{10, 1s}});
  CHECK(used[10] >= 90);
  run(10s, {{10, 1s}, {30, 1s}});
  CHECK(used[10] + used[30] >= 90);
  CHECK(used[10] + used[30] <= 310);
}

TEST_CASE("P9: pace: very many keys are served, each in its turn") {
  PaceRows table;
  PaceNode node(table);
  const Rate rate{10, 1s};
  constexpr unsigned kMany = 1000;
  std::vector<std::string> names;
  for (unsigned i = 0; i < kMany; ++i) names.push_back("rate:" + std::to_string(i));
  std::vector<unsigned> used(kMany);
  for (Duration now{}; now < 60s; now += 50ms) {
    node.talk(now, 300ms, 300ms, false);
    for (unsigned i = 0; i < kMany; ++i)
      while (node.step(names[i], rate, now)) ++used[i];
  }
  const auto [least, most] = std::minmax_element(used.begin(), used.end());
  CHECK(*least >= 300);
  CHECK(*most <= 603);
}

TEST_CASE("P9: pace: what was asked for and lost is asked for again, first") {
  PaceShares shares;
  const Rate rate{10, 1s};
  for (const char* key : {"a", "b"}) (void)shares.wait(key, rate, 0ms, pace_time(0s));
  REQUIRE(shares.ask(pace_time(0s)).size() == 2);
  (void)shares.wait("c", rate, 0ms, pace_time(0s));
  CHECK_FALSE(shares.wants());  // one call at a time
  shares.lost();
  auto again = shares.ask(pace_time(1s));
  REQUIRE(again.size() == 3);
  CHECK(again[0].key == "a");
  CHECK(again[2].key == "c");
  shares.clear();
  shares.answered(std::vector<Duration>(3), pace_time(1s));
  CHECK_FALSE(shares.wait("a", rate, 0ms, pace_time(1s)));
  CHECK(shares.wants());
}
