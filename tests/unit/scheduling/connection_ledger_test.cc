// Who may open a connection, where routes bound them.
#include <algorithm>
#include <map>
#include <optional>
#include <random>

#include <catch2/catch.hpp>

#include "qmgr/scheduling/connection_ledger.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;

namespace {

MonoTime ms(std::int64_t n) {
  return MonoTime(Duration(n));
}

ipc::ConnectionRequest request(std::uint64_t number, std::uint64_t owner, std::uint32_t most,
                               std::string group = "mx") {
  return {number, owner, false, {{std::move(group), most, 0, {}}}};
}

// The numbers of what is given now, in order.
std::vector<std::uint64_t> given(ConnectionLedger& ledger) {
  std::vector<std::uint64_t> out;
  for (const auto& one : ledger.take_grants()) out.push_back(one.request);
  return out;
}

using Numbers = std::vector<std::uint64_t>;

ConnectionLedger open_ledger() {
  ConnectionLedger ledger;
  ledger.open(ms(0));
  return ledger;
}

}  // namespace

TEST_CASE("kind 16: never more connections than the bound, whichever processes have them") {
  ConnectionLedger ledger = open_ledger();
  REQUIRE(ledger.ask(1, request(1, 10, 2), ms(0)));
  REQUIRE(ledger.ask(2, request(1, 20, 2), ms(0)));
  REQUIRE(ledger.ask(2, request(2, 20, 2), ms(0)));
  REQUIRE(ledger.ask(1, request(2, 10, 2), ms(0)));
  auto first = ledger.take_grants();
  REQUIRE(first.size() == 2);
  CHECK(first[0].peer == 1);
  CHECK(first[1].peer == 2);
  SECTION("a place is free only after its rest, and goes to the first in line") {
    ledger.end(1, 1, ms(100));
    ledger.advance(ms(124));
    CHECK(given(ledger).empty());
    CHECK(ledger.wake_at() == ms(125));
    ledger.advance(ms(125));
    auto next = ledger.take_grants();
    REQUIRE(next.size() == 1);
    // Who has none comes before who wants a second one.
    CHECK(next[0].peer == 1);
    CHECK(next[0].request == 2);
  }
  SECTION("all of a process that has ended are free, and nobody waits for it") {
    ledger.lost(2, ms(100));
    ledger.advance(ms(1099));  // its peers may not have noticed
    CHECK(given(ledger).empty());
    ledger.advance(ms(1100));
    CHECK(given(ledger) == Numbers{2});
    ledger.lost(1, ms(2000));
    ledger.advance(ms(4000));
    CHECK(given(ledger).empty());
    CHECK(ledger.groups() == 0);
  }
  SECTION("who is not interested any more leaves the line") {
    ledger.end(2, 2, ms(10));
    ledger.end(1, 2, ms(10));
    ledger.end(1, 1, ms(20));
    ledger.advance(ms(1000));
    CHECK(given(ledger).empty());
  }
  SECTION("each group by itself") {
    REQUIRE(ledger.ask(1, request(7, 10, 2, "mx\n192.0.2.1"), ms(0)));
    CHECK(given(ledger) == Numbers{7});
  }
}

TEST_CASE("kind 16: what clients of a former qmgr have open counts") {
  ConnectionLedger ledger;
  REQUIRE(ledger.ask(1, request(5, 10, 1), ms(0)));
  ledger.advance(ms(10));
  CHECK(given(ledger).empty());  // others may still have to tell
  ipc::ConnectionRequest held = request(9, 20, 1);
  held.held = true;
  REQUIRE(ledger.ask(2, held, ms(10)));
  ledger.open(ms(20));
  CHECK(given(ledger).empty());
  auto wanted = ledger.take_wanted();
  REQUIRE(wanted.size() == 1);
  CHECK(wanted[0].peer == 2);
  CHECK(wanted[0].owner == 20);
  ledger.end(2, 9, ms(30));
  ledger.advance(ms(55));
  CHECK(given(ledger) == Numbers{5});
}

TEST_CASE("kind 16: connections go round among those who need one") {
  ConnectionLedger ledger = open_ledger();
  for (std::uint64_t n = 1; n <= 3; ++n) REQUIRE(ledger.ask(1, request(n, 10, 3), ms(0)));
  CHECK(given(ledger) == Numbers{1, 2, 3});
  CHECK(ledger.take_wanted().empty());
  SECTION("whoever has none gets one from who has most, and that is asked for once") {
    REQUIRE(ledger.ask(1, request(4, 20, 3), ms(0)));
    auto wanted = ledger.take_wanted();
    REQUIRE(wanted.size() == 1);
    CHECK(wanted[0].owner == 10);
    ledger.advance(ms(500));
    CHECK(ledger.take_wanted().empty());
    ledger.end(1, 2, ms(500));
    ledger.advance(ms(525));
    CHECK(given(ledger) == Numbers{4});
    // Two and one are even enough.
    REQUIRE(ledger.ask(1, request(5, 20, 3), ms(600)));
    REQUIRE(ledger.ask(1, request(6, 10, 3), ms(600)));
    CHECK(ledger.take_wanted().empty());
  }
  SECTION("nobody gives up a place for his own line") {
    REQUIRE(ledger.ask(1, request(4, 10, 3), ms(0)));
    CHECK(ledger.take_wanted().empty());
  }
}

TEST_CASE("kind 16: new connections by a rate, and both bounds of a route at once") {
  ConnectionLedger ledger = open_ledger();
  SECTION("a rate") {
    ipc::ConnectionRequest one = request(0, 10, 0);
    one.bounds[0].rate_count = 60;
    one.bounds[0].rate_period = 60s;
    for (std::uint64_t n = 1; n <= 20; ++n) {
      one.request = n;
      REQUIRE(ledger.ask(1, one, ms(0)));
    }
    std::size_t open = ledger.take_grants().size();
    CHECK(open == 7);  // a tenth of the period at once, as with messages
    REQUIRE(ledger.wake_at() == ms(1000));
    for (int second = 1; second <= 13; ++second) {
      ledger.advance(ms(std::int64_t{second} * 1000 - 1));
      CHECK(given(ledger).empty());
      ledger.advance(ms(std::int64_t{second} * 1000));
      CHECK(given(ledger).size() == 1);
    }
    CHECK(ledger.take_wanted().empty());  // that would not help
  }
  SECTION("the route's and the destination's") {
    auto both = [](std::uint64_t number, std::string group) {
      ipc::ConnectionRequest out = request(number, number, 2, std::move(group));
      out.bounds.push_back({"route 1", 3, 0, {}});
      return out;
    };
    for (std::uint64_t n = 1; n <= 3; ++n) REQUIRE(ledger.ask(1, both(n, "a"), ms(0)));
    for (std::uint64_t n = 4; n <= 6; ++n) REQUIRE(ledger.ask(1, both(n, "b"), ms(0)));
    CHECK(given(ledger) == Numbers{1, 2, 4});
    ledger.end(1, 1, ms(0));
    ledger.advance(ms(25));
    CHECK(given(ledger) == Numbers{3});
    ledger.end(1, 4, ms(50));
    ledger.advance(ms(75));
    CHECK(given(ledger) == Numbers{5});
  }
}

TEST_CASE("a request that no client of ours would make is refused") {
  ConnectionLedger ledger = open_ledger();
  auto refused = [&](ipc::ConnectionRequest one) { return !ledger.ask(1, one, ms(0)); };
  ipc::ConnectionRequest none = request(1, 1, 1);
  none.bounds.clear();
  CHECK(refused(none));
  ipc::ConnectionRequest many = request(1, 1, 1);
  many.bounds.resize(3, many.bounds[0]);
  CHECK(refused(many));
  CHECK(refused(request(1, 1, 1, "")));
  CHECK(refused(request(1, 1, 1, std::string(kGroupOctetsMax + 1, 'x'))));
  ipc::ConnectionRequest rate = request(1, 1, 1);
  rate.bounds[0].rate_count = 5;
  CHECK(refused(rate));
  rate.bounds[0].rate_period = kConnectionPeriodMax + 1ms;
  CHECK(refused(rate));
  REQUIRE(ledger.ask(1, request(1, 1, 1), ms(0)));
  CHECK(refused(request(1, 1, 1)));
  for (std::uint64_t n = 2; n <= kConnectionsOfPeerMax; ++n)
    REQUIRE(ledger.ask(1, request(n, 1, 0, "s" + std::to_string(n)), ms(0)));
  CHECK(refused(request(kConnectionsOfPeerMax + 1, 1, 1)));
}

// Clients come and go, each with several parts; whoever is asked gives one up in the end.
TEST_CASE("property: the bound is kept, and whoever waits has his turn") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    auto roll = [&](std::uint64_t n) { return random() % n; };
    ConnectionLedger ledger;
    std::uint32_t most = 1 + static_cast<std::uint32_t>(roll(4));
    struct Mine {
      std::uint64_t owner;
      std::optional<std::int64_t> since;  // of one whose owner had none
      bool open;
    };
    std::map<std::pair<std::uint64_t, std::uint64_t>, Mine> all;  // by peer and request
    std::uint64_t last = 0;
    std::int64_t longest = 0;
    std::vector<ConnectionLedger::Wanted> wanted;
    for (std::int64_t t = 0; t < 20'000; t += 1 + static_cast<std::int64_t>(roll(20))) {
      if (t > 50) ledger.open(ms(t));
      std::uint64_t peer = 1 + roll(3);
      if (all.size() < 12) {
        std::uint64_t owner = roll(4);
        bool has_none = std::none_of(all.begin(), all.end(), [&](const auto& one) {
          return one.first.first == peer && one.second.owner == owner && one.second.open;
        });
        REQUIRE(ledger.ask(peer, request(++last, owner, most), ms(t)));
        all[{peer, last}] = {owner, has_none ? std::optional(t) : std::nullopt, false};
      }
      if (roll(400) == 0) {
        ledger.lost(peer, ms(t));
        std::erase_if(all, [&](const auto& one) { return one.first.first == peer; });
      }
      // Nobody gives one up of himself, or hardly ever.
      if (roll(300) == 0 && !all.empty()) {
        auto [p, r] = all.begin()->first;
        ledger.end(p, r, ms(t));
        all.erase(all.begin());
      }
      for (std::size_t i = wanted.size(); i-- > 0;) {
        if (roll(3) != 0) continue;
        auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) {
          return one.first.first == wanted[i].peer && one.second.owner == wanted[i].owner &&
                 one.second.open;
        });
        if (found != all.end()) {
          ledger.end(found->first.first, found->first.second, ms(t));
          all.erase(found);
        }
        wanted.erase(wanted.begin() + static_cast<std::ptrdiff_t>(i));
      }
      ledger.advance(ms(t));
      for (const auto& one : ledger.take_grants()) {
        auto found = all.find({one.peer, one.request});
        REQUIRE(found != all.end());
        REQUIRE_FALSE(found->second.open);
        found->second.open = true;
        if (found->second.since) longest = std::max(longest, t - *found->second.since);
      }
      for (const auto& one : ledger.take_wanted()) wanted.push_back(one);
      auto open =
          std::count_if(all.begin(), all.end(), [](const auto& one) { return one.second.open; });
      REQUIRE(open <= most);
    }
    CHECK(last > 100);
    CHECK(longest < 5'000);
  }
}

TEST_CASE("security: places that a client which was taken over has invented end with it") {
  ConnectionLedger ledger = open_ledger();
  for (std::uint64_t n = 1; n <= 50; ++n) {
    ipc::ConnectionRequest held = request(n, 1, 1);
    held.held = true;
    REQUIRE(ledger.ask(1, held, ms(0)));
  }
  REQUIRE(ledger.ask(2, request(1, 2, 1), ms(10)));
  ledger.advance(ms(10) + 1h);
  CHECK(given(ledger).empty());
  ledger.lost(1, ms(20) + 1h);
  ledger.advance(ms(1020) + 1h);
  CHECK(given(ledger) == Numbers{1});
}

TEST_CASE("security: a rate that such a client has invented ends with it") {
  ConnectionLedger ledger = open_ledger();
  std::uint64_t number = 0;
  auto demand = [&](std::uint64_t peer, std::uint32_t count, Duration period) {
    ++number;
    return ledger.ask(peer, {number, peer, false, {{"rated", 0, count, period}}}, ms(0));
  };
  // At once one a day, eleven a day, and as many as there are.
  for (int i = 0; i < 20; ++i)
    for (std::uint32_t count : {1U, 11U, UINT32_MAX})
      REQUIRE(demand(1, count, kConnectionPeriodMax));
  const std::uint64_t first = number + 1;
  for (int i = 0; i < 10; ++i) REQUIRE(demand(2, 60, 1h));
  ledger.lost(1, ms(1000));
  std::vector<MonoTime> ours;
  for (MonoTime now = ms(1000); now < ms(0) + 3h && ours.size() < 10; now += 1s) {
    ledger.advance(now);
    for (const auto& one : ledger.take_grants())
      if (one.request >= first) ours.push_back(now);
  }
  // As if one had gone just now: six minutes' worth at once, and one a minute.
  REQUIRE(ours.size() == 10);
  CHECK(ours.back() - ms(0) <= 20min);
  CHECK(ours.back() - ours.front() >= 3min);
  for (std::uint64_t n = first; n < first + 10; ++n) ledger.end(2, n, ms(0) + 3h);
  ledger.advance(ms(0) + 24h * 30);
  CHECK(ledger.groups() == 0);
}

TEST_CASE("security: the names of groups that a client makes us keep are bounded") {
  ConnectionLedger ledger = open_ledger();
  std::uint64_t taken = 0;
  auto named = [](std::uint64_t n) {
    return request(n, 1, 1, std::string(kGroupOctetsMax - 20, 'x') + std::to_string(n));
  };
  for (std::uint64_t n = 1; n <= 1000; ++n) taken += ledger.ask(1, named(n), ms(0)) ? 1 : 0;
  CHECK(taken <= kGroupOctetsOfPeerMax / (kGroupOctetsMax - 20));
  CHECK(taken > 200);
  CHECK(ledger.ask(2, named(1), ms(0)));
  ledger.end(1, 1, ms(0));
  CHECK(ledger.ask(1, named(2000), ms(0)));
}

TEST_CASE("queue destinations: open connections of a destination, from all its source addresses") {
  ConnectionLedger ledger = open_ledger();
  REQUIRE(ledger.ask(1, request(1, 10, 1, "mx1,mx2\n"), ms(0)));
  REQUIRE(ledger.ask(2, request(1, 20, 1, "mx1,mx2\n192.0.2.7"), ms(0)));
  REQUIRE(ledger.ask(2, request(2, 20, 1, "mx1,mx2\n192.0.2.7"), ms(0)));  // waits
  REQUIRE(ledger.ask(2, request(3, 20, 1, "mx1,mx2,mx3\n"), ms(0)));       // another one
  REQUIRE(ledger.ask(2, request(4, 20, 1, "route 4"), ms(0)));
  CHECK(ledger.count("mx1,mx2").open == 2);
  CHECK(ledger.count("mx1,mx2").waiting == 1);
  CHECK(ledger.count("mx1,mx2,mx3").open == 1);
  CHECK(ledger.count("mx1").open == 0);
  ledger.end(1, 1, ms(10));
  CHECK(ledger.count("mx1,mx2").open == 1);
}

TEST_CASE("kind 16: a bound that other nodes share") {
  ConnectionLedger ledger = open_ledger();
  auto allow = [&](std::uint32_t places, bool press, std::int64_t at) {
    ledger.share(3, {{"mx", places, press}}, ms(at));
  };
  SECTION("one place without an allowance where there are as many as nodes, and none else") {
    ledger.share(3, {}, ms(0));
    for (std::uint64_t i = 1; i <= 2; ++i) {
      REQUIRE(ledger.ask(1, request(i, 1, 3), ms(0)));
      REQUIRE(ledger.ask(1, request(10 + i, 1, 2, "few"), ms(0)));
      REQUIRE(ledger.ask(1, request(20 + i, 1, 0, "no bound"), ms(0)));
    }
    CHECK(given(ledger) == Numbers{1, 21, 22});
    allow(2, false, 5);
    CHECK(given(ledger) == Numbers{2});
    CHECK(ledger.count("mx").places == std::nullopt);  // it counts by hosts and source
    // Alone again.
    ledger.share(std::nullopt, {}, ms(9));
    CHECK(given(ledger) == Numbers{11, 12});
  }
  SECTION("what is open beyond an allowance is asked to end, once, and not replaced") {
    for (std::uint64_t i = 1; i <= 6; ++i) REQUIRE(ledger.ask(1, request(i, i % 2, 4), ms(0)));
    CHECK(given(ledger) == Numbers{1, 2, 3, 4});
    (void)ledger.take_wanted();
    allow(1, false, 10);
    CHECK(ledger.take_wanted().empty());
    allow(1, true, 20);
    CHECK(ledger.take_wanted().size() == 3);
    allow(1, true, 30);
    CHECK(ledger.take_wanted().empty());
    for (std::uint64_t i = 1; i <= 3; ++i) ledger.end(1, i, ms(40));
    ledger.advance(ms(100));
    CHECK(given(ledger).empty());
    ledger.end(1, 4, ms(100));
    ledger.advance(ms(130));
    CHECK(given(ledger) == Numbers{5});
    allow(2, true, 140);
    CHECK(given(ledger) == Numbers{6});
    // The bound itself holds whatever is allowed.
    allow(9, true, 150);
    for (std::uint64_t i = 7; i <= 9; ++i) REQUIRE(ledger.ask(1, request(i, 1, 4), ms(150)));
    CHECK(given(ledger) == Numbers{7, 8});
  }
  SECTION("who asks is told of with the least bound, and what rests is used still") {
    REQUIRE(ledger.ask(1, request(1, 1, 4), ms(0)));
    REQUIRE(ledger.ask(1, request(2, 1, 2), ms(0)));
    REQUIRE(ledger.ask(1, request(3, 1, 2), ms(0)));
    REQUIRE(ledger.ask(1, request(4, 1, 7, "other"), ms(0)));
    REQUIRE(ledger.ask(1, request(5, 1, 0, "none"), ms(0)));
    auto demands = ledger.demands();
    REQUIRE(demands.size() == 2);
    CHECK(demands[0].group == "mx");
    CHECK(demands[0].limit == 2);
    CHECK(demands[0].used == 2);
    CHECK(demands[0].waiting == 1);
    for (std::uint64_t i = 1; i <= 4; ++i) ledger.end(1, i, ms(10));
    demands = ledger.demands();
    REQUIRE(demands.size() == 2);
    CHECK(demands[0].used == 2);
    CHECK(demands[1].limit == 7);
    ledger.advance(ms(50));
    CHECK(ledger.demands().empty());
    CHECK(ledger.groups() == 1);  // the one without a bound
  }
}
