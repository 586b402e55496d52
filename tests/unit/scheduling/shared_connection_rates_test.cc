// Rates of new connections that several nodes share: the ledger asks for a step when there is a
// place, takes one for each connection, and nobody waits for a rate that somebody else has
// invented.
#include <algorithm>
#include <map>
#include <random>
#include <set>

#include <catch2/catch.hpp>

#include "qmgr/scheduling/connection_ledger.h"
#include "tests/unit/scheduling/shared_rates_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using test::FakeRates;

namespace {

using Numbers = std::vector<std::uint64_t>;
using Keys = std::vector<std::string>;

MonoTime mono(std::int64_t ms) {
  return MonoTime(Duration(ms));
}

ipc::ConnectionBound bound(std::string group, std::uint32_t most, std::uint32_t count,
                           Duration period) {
  return {std::move(group), most, count, period};
}

// A ledger and what it asks, in one time.
struct Leaves {
  Leaves() {
    ledger.share_rates(&rates);
    ledger.open(mono(0));
    ledger.advance(mono(0));
  }
  bool ask(std::uint64_t number, std::vector<ipc::ConnectionBound> bounds, std::int64_t ms,
           std::uint64_t peer = 1) {
    return ledger.ask(peer, {number, number, false, std::move(bounds)}, mono(ms));
  }
  // The numbers of what is given now. The ledger is told of an answer when it comes.
  Numbers given(std::int64_t ms) {
    if (rates.advance(ms)) ledger.rates_changed(mono(ms));
    ledger.advance(mono(ms));
    Numbers out;
    for (const auto& one : ledger.take_grants()) out.push_back(one.request);
    return out;
  }
  FakeRates rates;
  ConnectionLedger ledger;
};

const ipc::ConnectionBound kRated = bound("mx", 0, 60, 60s);

}  // namespace

TEST_CASE("a shared connection rate: a step is asked for once, and each connection takes one") {
  Leaves one;
  for (std::uint64_t n = 1; n <= 10; ++n) REQUIRE(one.ask(n, {kRated}, 0));
  CHECK(one.given(0).empty());
  REQUIRE(one.rates.asked.size() == 1);
  CHECK(one.rates.asked[0].key == "conn:60/60000:mx");
  CHECK(one.rates.asked[0].burst == 6s);
  CHECK(one.given(19).empty());
  CHECK(one.rates.asked.size() == 1);
  Numbers all;
  for (std::int64_t ms = 20; ms < 3000; ms += 10)
    for (std::uint64_t number : one.given(ms)) all.push_back(number);
  // Six seconds' worth at once, then one a second.
  CHECK(all == Numbers{1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(one.rates.taken == Keys(9, "conn:60/60000:mx"));
  CHECK(one.rates.without_step == 0);
  REQUIRE(one.ledger.wake_at());
  CHECK(*one.ledger.wake_at() <= mono(3020));
}

TEST_CASE("a shared connection rate: no step is asked for without a place") {
  Leaves one;
  ipc::ConnectionBound rated = bound("mx", 1, 60, 60s);
  REQUIRE(one.ask(1, {rated}, 0));
  REQUIRE(one.ask(2, {rated}, 0));
  REQUIRE(one.ask(3, {bound("plain", 1, 0, {})}, 0));
  CHECK(one.given(20) == Numbers{3, 1});
  const std::size_t asked = one.rates.asked.size();
  CHECK(one.given(500).empty());
  CHECK(one.rates.asked.size() == asked);
  one.ledger.end(1, 1, mono(500));
  CHECK(one.given(525).empty());  // asks now
  CHECK(one.given(545) == Numbers{2});
}

TEST_CASE("a shared connection rate: of two rates both have a step, or none is taken") {
  Leaves one;
  one.rates.take_elsewhere("conn:10/10000:route 1", 4000);
  REQUIRE(one.ask(1, {kRated, bound("route 1", 0, 10, 10s)}, 0));
  std::int64_t ms = 0;
  for (; ms < 4000; ms += 10) REQUIRE(one.given(ms).empty());
  CHECK(one.rates.taken.empty());
  Numbers got;
  for (; ms < 4100; ms += 10)
    for (std::uint64_t number : one.given(ms)) got.push_back(number);
  CHECK(got == Numbers{1});
  CHECK(one.rates.taken.size() == 2);
  CHECK(one.rates.without_step == 0);
  // The same bound twice is one step.
  one.rates.advance(5000);
  REQUIRE(one.ask(2, {kRated, kRated}, 5000));
  CHECK(one.given(5000).empty());
  CHECK(one.given(5020) == Numbers{2});
  CHECK(one.rates.taken.size() == 3);
  CHECK(one.rates.without_step == 0);
}

TEST_CASE("a shared connection rate: nobody is forgotten whom nobody tells of an answer") {
  Leaves one;
  REQUIRE(one.ask(1, {kRated}, 0));
  CHECK(one.given(0).empty());
  one.rates.advance(20);
  REQUIRE(one.ledger.wake_at() == mono(0) + kUnknownStepMax);
  const std::int64_t later = kUnknownStepMax.count();
  one.ledger.advance(mono(later));
  CHECK(one.given(later + 20) == Numbers{1});
}

TEST_CASE("connections: alone, then with others, then alone again") {
  Leaves one;
  one.rates.shared = false;
  for (std::uint64_t n = 1; n <= 20; ++n) REQUIRE(one.ask(n, {kRated}, 0));
  CHECK(one.given(0).size() == 7);
  one.rates.shared = true;
  CHECK(one.given(500).empty());
  CHECK(one.given(999).empty());
  CHECK(one.rates.asked.empty());  // what went alone bars it still
  CHECK(one.given(1000).empty());
  CHECK(one.given(1020).size() == 1);
  CHECK(one.rates.taken.size() == 1);
  one.rates.shared = false;
  CHECK(one.given(1030).empty());
  CHECK(one.given(1999).empty());
  CHECK(one.given(2000).size() == 1);
  CHECK(one.rates.taken.size() == 1);
  // And alone nobody waits for a step that was far ahead.
  one.rates.shared = true;
  one.rates.take_elsewhere("conn:60/60000:mx", 900'000);
  for (std::int64_t ms = 2000; ms < 4000; ms += 10) (void)one.given(ms);
  one.rates.shared = false;
  CHECK_FALSE(one.given(60'000).empty());
}

TEST_CASE("security: a shared rate that a client has invented keeps nobody else waiting") {
  Leaves one;
  std::uint64_t number = 0;
  for (int i = 0; i < 20; ++i)
    for (std::uint32_t count : {1U, 11U, UINT32_MAX})
      REQUIRE(one.ask(++number, {bound("rated", 0, count, kConnectionPeriodMax)}, 0, 1));
  const std::uint64_t first = number + 1;
  for (int i = 0; i < 10; ++i) REQUIRE(one.ask(++number, {bound("rated", 0, 60, 1h)}, 0, 2));
  std::vector<std::int64_t> ours;
  for (std::int64_t ms = 0; ms < 3 * 3'600'000 && ours.size() < 10; ms += 1000)
    for (std::uint64_t got : one.given(ms))
      if (got >= first) ours.push_back(ms);
  // Six minutes' worth at once, and one a minute.
  REQUIRE(ours.size() == 10);
  CHECK(ours.back() <= 5 * 60'000);
  CHECK(ours.back() - ours.front() >= 2 * 60'000);
  CHECK(one.rates.without_step == 0);
}

TEST_CASE("security: groups that a client has left are not kept for a step") {
  Leaves one;
  for (std::uint64_t n = 1; n <= 100; ++n) {
    REQUIRE(one.ask(n, {bound("group " + std::to_string(n), 0, 1, 1h)}, 0));
    one.ledger.end(1, n, mono(0));
  }
  CHECK(one.ledger.groups() == 0);
  CHECK_FALSE(one.ledger.wake_at());
}

// Rates and places, owners who come and go, nodes that come and go, answers that are lost.
TEST_CASE(
    "property: with shared rates every connection is given at last, and none without a step") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    auto roll = [&](std::uint64_t n) { return random() % n; };
    Leaves one;
    one.rates.loses = [&] { return roll(10) == 0; };
    const ipc::ConnectionBound bounds[] = {bound("a", 3, 10, 10s), bound("b", 0, 5, 1s),
                                           bound("c", 2, 0, {}), bound("a", 3, 60, 60s)};
    const ipc::ConnectionBound route = bound("route 1", 4, 20, 10s);
    struct Mine {
      std::size_t rates;
      std::optional<std::int64_t> ends;
    };
    std::map<std::uint64_t, Mine> all;
    std::uint64_t last = 0;
    std::size_t steps = 0;
    std::int64_t now = 0;
    while (last < 120 || !all.empty()) {
      REQUIRE(++steps < 100'000);  // else somebody looks again and again
      REQUIRE(now < 3'600'000);
      if (last < 120 && roll(10) == 0) one.rates.shared = !one.rates.shared;
      const std::size_t taken = one.rates.taken.size();
      if (last < 120 && roll(2) == 0) {
        std::vector<ipc::ConnectionBound> its = {bounds[roll(std::size(bounds))]};
        if (roll(3) == 0) its.push_back(route);
        const auto rates =
            std::count_if(its.begin(), its.end(), [](const auto& b) { return b.rate_count > 0; });
        REQUIRE(one.ask(++last, its, now));
        all[last] = {static_cast<std::size_t>(rates), {}};
      }
      for (auto it = all.begin(); it != all.end();) {
        if (!it->second.ends || *it->second.ends > now) {
          ++it;
          continue;
        }
        one.ledger.end(1, it->first, mono(now));
        it = all.erase(it);
      }
      // Sometimes nobody tells of an answer.
      if (one.rates.advance(now) && roll(10) > 0) one.ledger.rates_changed(mono(now));
      one.ledger.advance(mono(now));
      std::size_t rated = 0;
      for (const auto& grant : one.ledger.take_grants()) {
        REQUIRE_FALSE(all.at(grant.request).ends);
        all.at(grant.request).ends = now + 1 + static_cast<std::int64_t>(roll(2000));
        rated += all.at(grant.request).rates;
      }
      (void)one.ledger.take_wanted();
      REQUIRE(one.rates.without_step == 0);
      REQUIRE(one.rates.taken.size() - taken == (one.rates.shared ? rated : 0));
      std::int64_t next = last < 120 ? now + static_cast<std::int64_t>(roll(500)) : INT64_MAX;
      for (const auto& [number, mine] : all)
        if (mine.ends) next = std::min(next, *mine.ends);
      if (auto answer = one.rates.next_answer()) next = std::min(next, *answer);
      if (auto wake = one.ledger.wake_at())
        next = std::min<std::int64_t>(next, wake->time_since_epoch().count());
      if (last == 120 && all.empty()) break;
      REQUIRE(next != INT64_MAX);
      now = std::max(now + 1, next);
    }
  }
}
