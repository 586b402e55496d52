// Limits of accounts that several nodes count together: the nodes and their table in virtual time.
#include <catch2/catch.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "qmgr/verdicts/account_limits.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using Kind = AccountLimits::Kind;

namespace {

const MonoTime kStart{24h};

config::Auth limit_of(Rate messages, Rate recipients = {}) {
  config::Auth out;
  out.limit = {messages, recipients, config::OverRate::hold, {"t.toml", 3, 1}};
  return out;
}

// The table, whose clock is another one than the nodes'.
struct Paces {
  std::map<std::pair<AccountLimits::Counted, std::string>, WallTime> next;

  static WallTime clock(MonoTime now) { return WallTime(now.time_since_epoch() + 1234567h); }
  std::vector<Duration> take(const std::vector<AccountLimits::News>& news, MonoTime now) {
    std::vector<Duration> out;
    for (const AccountLimits::News& one : news) {
      WallTime& moment = next.try_emplace({one.counted, one.of.account}, clock(now)).first->second;
      moment = std::min(std::max(moment, clock(now)), clock(now) + one.most);
      out.push_back(moment - clock(now));
      moment += one.of.span;
    }
    return out;
  }
};

struct Cluster {
  struct Flight {
    MonoTime arrives;
    MonoTime answered;
    std::optional<std::vector<Duration>> ahead{};
    bool lost = false;
    std::vector<AccountLimits::News> news;
  };
  struct Node {
    explicit Node(const config::Auth& auth) : limits(auth) {
      limits.tell_to([this] { said = true; });
    }
    AccountLimits limits;
    bool said = false;
    std::optional<Flight> flight{};
    bool alone = false;  // it tells nothing
  };

  Cluster(std::size_t count, const config::Auth& auth) {
    for (std::size_t i = 0; i < count; ++i) nodes.push_back(std::make_unique<Node>(auth));
  }

  // One round trip of `node`, at once. Lost: the table has it all the same.
  bool tell(std::size_t node, bool lost = false) {
    AccountLimits& limits = nodes[node]->limits;
    auto news = limits.tell(200, now);
    auto ahead = paces.take(news, now);
    if (lost)
      limits.lost(now);
    else
      limits.told(ahead, now);
    return !news.empty();
  }
  bool pass(std::size_t node, std::uint32_t recipients = 1, const std::string& account = "ann") {
    return nodes[node]->limits.count(account, recipients, now).kind == Kind::pass;
  }
  // How many messages pass before one does not.
  int passes(std::size_t node, int most = 1000) {
    int count = 0;
    while (count < most && pass(node)) ++count;
    return count;
  }

  // Time goes on: every node tells what it has as soon as nothing is under way.
  void step(Duration time) {
    now += time;
    for (auto& node : nodes) {
      std::optional<Flight>& flight = node->flight;
      if (flight && !flight->ahead && now >= flight->arrives)
        flight->ahead = paces.take(flight->news, now);
      if (flight && flight->ahead && now >= flight->answered) {
        if (flight->lost)
          node->limits.lost(now);
        else
          node->limits.told(*flight->ahead, now);
        flight.reset();
      }
      if (flight || node->alone) continue;
      auto news = node->limits.tell(200, now);
      if (news.empty()) continue;
      const MonoTime arrives = now + Duration(random() % (trip.count() / 2) + 1);
      const bool lost = random() % 1000 < lost_per_mille;
      flight = Flight{arrives,
                      arrives + Duration(random() % (trip.count() / 2) + 1),
                      {},
                      lost,
                      std::move(news)};
    }
  }

  MonoTime now = kStart;
  Paces paces;
  std::vector<std::unique_ptr<Node>> nodes;
  std::minstd_rand random{7};
  Duration trip = 20ms;
  unsigned lost_per_mille = 0;
};

}  // namespace

TEST_CASE("shared limits: what one node has counted, the others know when they count",
          "[accounts]") {
  Cluster two(2, limit_of({10, 1h}));
  CHECK(two.passes(0, 6) == 6);
  CHECK(two.tell(0));
  CHECK(two.pass(1));  // before it has asked it knows nothing
  CHECK(two.tell(1));
  CHECK(two.passes(1) == 3);
  CHECK(two.tell(1));
  CHECK_FALSE(two.tell(1));   // nothing is new
  CHECK(two.passes(0) == 4);  // it has not heard of those
  CHECK(two.tell(0));
  CHECK(two.passes(0) == 0);
  // 14 were sent, so it takes the time of five until one more may be.
  two.now += 29min;
  CHECK(two.passes(0) == 0);
  two.now += 1min + AccountBuckets::kRounding;
  CHECK(two.passes(0) == 1);
}

TEST_CASE("shared limits: what is given back is there again for all", "[accounts]") {
  Cluster two(2, limit_of({2, 1h}, {10, 1h}));
  CHECK(two.pass(0, 10));
  two.tell(0);
  two.nodes[0]->limits.give_back("ann", 10, two.now);
  SECTION("also where its own bucket is full then") {
    CHECK(two.tell(0));
  }
  SECTION("and when it was not told at once") {
    two.now += 2min;
    two.pass(0, 1, "bob");  // what is owed by nobody is forgotten by now
    CHECK(two.tell(0));
  }
  two.tell(0);
  CHECK(two.pass(1, 1));
  two.tell(1);
  CHECK(two.pass(1, 9));
  two.tell(1);
  CHECK_FALSE(two.pass(1, 1));
}

TEST_CASE("shared limits: who is beyond his limit is asked for again, once a second",
          "[accounts]") {
  Cluster two(2, limit_of({2, 1h}));
  CHECK(two.passes(0) == 2);
  two.tell(0);
  two.pass(1);
  two.tell(1);
  CHECK(two.passes(1) == 0);
  CHECK_FALSE(two.tell(1));
  two.nodes[0]->limits.give_back("ann", 1, two.now);
  two.nodes[0]->limits.give_back("ann", 1, two.now);
  two.tell(0);
  CHECK_FALSE(two.pass(1));
  two.now += AccountBuckets::kAskAgain;
  CHECK_FALSE(two.pass(1));
  CHECK(two.tell(1));
  CHECK(two.pass(1));
}

TEST_CASE("shared limits: a lost answer is told again, and nothing is forgotten", "[accounts]") {
  Cluster two(2, limit_of({10, 1h}));
  CHECK(two.passes(0, 3) == 3);
  SECTION("the table has it") {
    CHECK(two.tell(0, true));
    CHECK(two.tell(0));
    CHECK(two.passes(0) == 4);  // three count twice
  }
  SECTION("the table does not have it") {
    two.nodes[0]->limits.tell(200, two.now);
    two.nodes[0]->limits.lost(two.now);
    CHECK(two.passes(0, 2) == 2);
    CHECK(two.tell(0));
    CHECK(two.pass(1));
    two.tell(1);
    CHECK(two.passes(1) == 4);
  }
}

TEST_CASE("shared limits: what was counted alone is told when there are two", "[accounts]") {
  Cluster two(2, limit_of({10, 1h}));
  two.nodes[0]->alone = true;
  // Together, then alone, then together.
  CHECK(two.passes(0, 4) == 4);
  two.tell(0);
  two.now += 6min;  // one of them
  CHECK(two.passes(0, 5) == 5);
  CHECK(two.pass(1));
  two.tell(0);  // eight and no more
  two.tell(1);
  CHECK(two.passes(1) == 1);
  // What has filled again meanwhile is not told.
  two.nodes[1]->limits.tell(200, two.now);
  two.nodes[1]->limits.lost(two.now);
  two.now += 3h;
  CHECK_FALSE(two.tell(1));
  CHECK(two.passes(0) == 10);
}

TEST_CASE("shared limits: a reload with other limits keeps what was counted", "[accounts]") {
  Cluster two(2, limit_of({10, 1h}));
  CHECK(two.passes(0, 5) == 5);
  for (auto& node : two.nodes) node->limits.configure(limit_of({20, 1h}));
  two.tell(0);
  CHECK(two.pass(1));
  two.tell(1);
  CHECK(two.passes(1) == 9);
  SECTION("no limit, nothing to tell") {
    two.nodes[1]->limits.configure(limit_of({}));
    CHECK_FALSE(two.tell(1));
    CHECK(two.passes(1, 100) == 100);
    CHECK_FALSE(two.tell(1));
  }
  SECTION("while a telling is under way") {
    auto news = two.nodes[1]->limits.tell(200, two.now);
    REQUIRE(news.size() == 1);
    two.nodes[1]->limits.configure(limit_of({}));
    two.nodes[1]->limits.told(two.paces.take(news, two.now), two.now);
    CHECK(two.passes(1, 100) == 100);
  }
}

TEST_CASE("shared limits: a node whom nobody hears notes nothing", "[accounts]") {
  AccountLimits limits(limit_of({10, 1h}));
  limits.count("ann", 1, kStart);
  CHECK(limits.tell(200, kStart).empty());
  int said = 0;
  limits.tell_to([&said] { ++said; });
  limits.count("bob", 1, kStart);
  CHECK(said == 1);
  CHECK(limits.tell(200, kStart).size() == 1);
  limits.lost(kStart);
  limits.tell_to(nullptr);
  limits.count("bob", 1, kStart);
  CHECK(limits.tell(200, kStart).empty());
  CHECK(said == 1);
}

TEST_CASE("shared limits: many accounts are told in turns, and either kind has room",
          "[accounts]") {
  AccountLimits limits(limit_of({10, 1h}, {10, 1h}));
  limits.tell_to([] {});
  for (int i = 0; i < 300; ++i) limits.count("u" + std::to_string(i), 2, kStart);
  std::map<std::string, int> told;
  for (int calls = 0; calls < 6; ++calls) {
    auto news = limits.tell(100, kStart);
    CHECK(news.size() == 100);
    for (const AccountLimits::News& one : news) {
      const bool messages = one.counted == AccountLimits::Counted::messages;
      CHECK(one.of.span == (messages ? 6min : 12min));
      CHECK(one.most == 4h);  // a message of each of 32 nodes
      told[one.of.account] += messages ? 1 : 1000;
    }
    limits.told(std::vector<Duration>(news.size()), kStart);
  }
  CHECK(limits.tell(100, kStart).empty());
  CHECK(told.size() == 300);
  CHECK(std::all_of(told.begin(), told.end(), [](auto& one) { return one.second == 1001; }));
}

TEST_CASE("shared limits: what is untold is bounded, and forgotten when it is over", "[accounts]") {
  AccountBuckets buckets(100);
  buckets.keep_news(true);
  auto all = [](const std::string&) { return true; };
  Rate rate{10, 1h};
  for (int i = 0; i < 1000; ++i) buckets.take(std::to_string(i), 1, rate, kStart);
  auto news = buckets.tell(10'000, all, kStart);
  CHECK(news.size() <= 100);
  for (const AccountBuckets::News& one : news) buckets.lost(one, kStart);
  CHECK(buckets.has_news());
  buckets.take("ann", 1, rate, kStart + 1h);  // the others' are full again
  news = buckets.tell(10'000, all, kStart + 1h);
  REQUIRE(news.size() == 1);
  CHECK(news[0].account == "ann");
}

TEST_CASE("shared limits: numbers of the table are bounded", "[accounts]") {
  AccountLimits limits(limit_of({10, 1h}));
  limits.tell_to([] {});
  limits.count("ann", 1, kStart);
  const bool absurd = GENERATE(false, true);
  limits.tell(200, kStart);
  limits.told(std::vector<Duration>{absurd ? Duration::max() : Duration::min()}, kStart);
  CHECK((limits.count("ann", 1, kStart).kind == Kind::pass) == !absurd);
  CHECK(limits.count("ann", 1, kStart + 5h).kind == Kind::pass);
}

TEST_CASE("shared limits: no rounding makes a rate faster, and none adds up", "[accounts]") {
  struct Case {
    Rate rate;
    std::uint32_t each;
  };
  // A gap of a third of a millisecond; one of seven in a second.
  const Case one = GENERATE(Case{{3000, 1s}, 1}, Case{{7, 1s}, 1}, Case{{700'000, 1h}, 3});
  Cluster cluster(1, limit_of({}, one.rate));
  cluster.trip = 4ms;
  std::uint64_t sent = 0;
  const std::uint64_t first = one.rate.count;
  const Duration time = 60s;
  for (Duration t{}; t < time; t += 1ms) {
    while (cluster.pass(0, one.each)) sent += one.each;
    cluster.step(1ms);
  }
  const double steady =
      static_cast<double>(one.rate.count) * time.count() / one.rate.period.count();
  const double in_rounding = 2.0 * one.rate.count / one.rate.period.count();
  INFO(sent << " of " << steady);
  CHECK(sent <= first + steady + in_rounding + one.each);
  CHECK(sent >= first + 0.99 * steady - 10 * in_rounding - one.each);
}

TEST_CASE("shared limits: nodes together keep to the limit", "[accounts]") {
  const std::size_t count = GENERATE(2U, 3U, 5U);
  const unsigned lost = GENERATE(0U, 200U);
  Cluster cluster(count, limit_of({60, 1min}));
  cluster.lost_per_mille = lost;
  std::uint64_t sent = 0;
  std::uint64_t in_trip = 0;
  const Duration time = 10min;
  for (Duration t{}; t < time; t += 1ms) {
    if (cluster.random() % 10 == 0 && cluster.pass(cluster.random() % count)) ++sent;
    cluster.step(1ms);
    if (t == 2 * cluster.trip) in_trip = sent;
  }
  INFO(count << " nodes, " << lost << " lost, sent " << sent);
  CHECK(sent <= 60 + 600 + in_trip + count);
  if (lost == 0) CHECK(sent + count >= 60 + 590);
}

// Each judges by what it heard with its last message. What that lets through counts later on.
TEST_CASE("shared limits: nodes with few messages each keep to the limit in the long run",
          "[accounts]") {
  const std::uint32_t limit = GENERATE(1U, 10U);
  constexpr std::size_t kMany = 12;
  Cluster cluster(kMany, limit_of({limit, 1h}));
  std::vector<MonoTime> next(kMany, kStart);
  std::uint64_t sent = 0;
  const Duration time = 500h;
  while (cluster.now < kStart + time) {
    for (std::size_t i = 0; i < kMany; ++i) {
      if (cluster.now < next[i]) continue;
      const bool passed = cluster.pass(i);
      sent += passed ? 1 : 0;
      next[i] = cluster.now + Duration(30min) / limit + Duration(cluster.random() % 60'000);
      cluster.tell(i);
    }
    cluster.now += 1s;
  }
  INFO("sent " << sent);
  CHECK(sent <= 500 * limit + limit + kMany);
  CHECK(sent >= 500 * limit * 9 / 10);
}

TEST_CASE("shared limits: without the table each counts alone, and all of it is told later",
          "[accounts]") {
  Cluster cluster(3, limit_of({60, 1min}));
  auto run = [&cluster](Duration time) {
    int sent = 0;
    for (Duration t{}; t < time; t += 10ms) {
      if (cluster.pass(cluster.random() % 3)) ++sent;
      cluster.step(10ms);
    }
    return sent;
  };
  for (auto& node : cluster.nodes) node->alone = true;
  const int away = run(10s);
  CHECK(away > 60 + 10);
  CHECK(away <= 3 * (60 + 10 + 1));
  for (auto& node : cluster.nodes) node->alone = false;
  // What they sent beyond the limit is made up for, as far as it is one limit; the rest is
  // forgiven.
  const int back = run(59s);
  CHECK(back <= 3);
  const int later = run(5min);
  CHECK(later <= 303);
  CHECK(later >= 290);
}
