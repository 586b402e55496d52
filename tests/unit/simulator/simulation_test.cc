// The real scheduler, retry policy and verdicts, played in virtual time with seeded faults. The
// simulation itself looks after every step whether the promises hold; here are the worlds it plays.
#include <algorithm>
#include <random>

#include <catch2/catch.hpp>

#include "simulator/simulation.h"

using namespace postwain;
using namespace postwain::simulator;
using namespace std::chrono_literals;

namespace {

const WallTime kStart = from_unix_ms(1'800'000'000'000);

Scenario empty_scenario(std::uint64_t seed) {
  Scenario s;
  s.seed = seed;
  s.start = kStart;
  s.queue.retry = {1min, 5min, 15min, 30min, 1h, 2h, 4h};
  s.queue.retry_lmtp = {10s, 30s, 1min, 2min, 5min};
  return s;
}

DestinationPlan plain(const std::string& key, Duration latency = 500ms) {
  DestinationPlan d;
  d.key = key;
  d.latency = latency;
  return d;
}

// Two hundred destinations of every sort: stores, MX sets, rates, route limits, greylisting,
// outages.
Scenario mixed_world(std::uint64_t seed) {
  Scenario s = empty_scenario(seed);
  s.limits.destination_recipients = 2000;
  s.limits.refill_recipients = 500;
  s.limits.total_recipients = 20000;
  std::mt19937_64 random(seed);
  auto roll = [&](std::uint64_t n) { return random() % n; };
  for (std::uint64_t i = 0; i < 200; ++i) {
    bool store = i % 5 == 0;
    DestinationPlan d = plain((store ? "lmtp:s" : "mx:d") + std::to_string(i));
    d.settings.pool = store ? qmgr::Pool::lmtp : qmgr::Pool::smtp;
    d.settings.mailbox_schedule = store;
    if (!store && i % 3 == 1) d.mx_set = "mx" + std::to_string(i % 7);
    if (i % 11 == 0) {
      d.settings.rate_count = 600;
      d.settings.rate_period = 60s;
    }
    if (i % 13 == 0) {
      d.settings.route = 1;
      d.settings.route_connections = 7;
    }
    d.latency = Duration(50 + static_cast<std::int64_t>(roll(2000)));
    d.defer_share = 0.02;
    d.fail_share = 0.01;
    d.greylist_share = i % 4 == 2 ? 0.5 : 0;
    d.local_share = 0.002;
    for (int k = 0; i % 6 == 2 && k < 3; ++k) {
      WallTime from = kStart + std::chrono::minutes(roll(600));
      d.outages.push_back({from, from + std::chrono::minutes(1 + roll(300))});
    }
    s.destinations.push_back(d);
  }
  return s;
}

Source mixed_mail(std::uint64_t seed, std::uint64_t recipients) {
  return [random = std::mt19937_64(seed + 7), at = kStart, sent = std::uint64_t{0},
          recipients]() mutable -> std::optional<Arrival> {
    if (sent >= recipients) return std::nullopt;
    Arrival a;
    at += Duration(static_cast<std::int64_t>(random() % 40));
    a.at = at;
    a.null_sender = random() % 20 == 0;
    std::uint64_t dice = random() % 2000;
    std::size_t count = dice == 0 ? 3000 : dice % 30 == 1 ? 30 : 1 + random() % 3;
    auto one = static_cast<std::uint32_t>(random() % 200);
    for (std::size_t i = 0; i < count; ++i)
      a.destinations.push_back(count == 3000 ? one : static_cast<std::uint32_t>(random() % 200));
    std::sort(a.destinations.begin(), a.destinations.end());
    sent += count;
    return a;
  };
}

void require_kept(const Report& report) {
  for (const std::string& violation : report.violations) UNSCOPED_INFO(violation);
  REQUIRE(report.violations.empty());
}

}  // namespace

TEST_CASE("ten million events of a mixed world keep every promise") {
  std::uint64_t events = 0;
  for (std::uint64_t seed = 1; events < 10'000'000; ++seed) {
    INFO("seed " << seed);
    Simulation simulation(mixed_world(seed), mixed_mail(seed, 550'000));
    simulation.run();
    Report report = simulation.report();
    events += report.events;
    require_kept(report);
    REQUIRE(report.waiting == 0);
    REQUIRE(report.delivered + report.bounced == report.recipients);
    // Refills read on behind the last row: hardly any row is read more often than it was due.
    REQUIRE(report.rows_read < 2 * report.recipients);
  }
  WARN(events << " events");
}

// The bound: where a destination has two places or more, at once, since bulk leaves the last one
// free; where it has one, as soon as the attempt that runs ends.
TEST_CASE("a two-line note behind a mailing to 50,000 goes out within one attempt") {
  struct Case {
    std::uint32_t connections;
    Duration latency;
    Duration bound;
  };
  // An attempt lasts at most one and a half of its average latency.
  for (Case c : {Case{0, 2s, 0s}, Case{2, 2s, 0s}, Case{1, 2s, 3001ms}}) {
    INFO("connections " << c.connections);
    Scenario s = empty_scenario(3);
    s.destinations.push_back(plain("mx:big.example", c.latency));
    s.destinations[0].settings.connections = c.connections;
    std::uint32_t sent = 0;
    auto source = [&sent]() -> std::optional<Arrival> {
      if (sent == 200) return std::nullopt;
      Arrival a;
      a.at = kStart + sent * 5s;
      a.destinations.assign(sent == 0 ? 50'000 : 1, 0);
      ++sent;
      return a;
    };
    Simulation simulation(std::move(s), source);
    simulation.run();
    Report report = simulation.report();
    require_kept(report);
    REQUIRE(report.delivered == 50'199);
    REQUIRE(report.note_wait_max <= c.bound);
  }
}

TEST_CASE("a note to a destination with a rate waits for one turn, not for the mailing") {
  Scenario s = empty_scenario(4);
  s.destinations.push_back(plain("mx:slow.example", 200ms));
  s.destinations[0].settings.rate_count = 60;
  s.destinations[0].settings.rate_period = 60s;
  std::uint32_t sent = 0;
  auto source = [&sent]() -> std::optional<Arrival> {
    if (sent == 50) return std::nullopt;
    Arrival a;
    a.at = kStart + sent * 7s;
    a.destinations.assign(sent == 0 ? 50'000 : 1, 0);
    ++sent;
    return a;
  };
  Simulation simulation(std::move(s), source);
  simulation.run();
  require_kept(simulation.report());
  REQUIRE(simulation.report().note_wait_max <= 2s);
}

TEST_CASE("a dead destination with a million rows does not delay others") {
  auto delays = [](bool dead) {
    Scenario s = empty_scenario(5);
    s.end = kStart + 2h;
    for (int i = 0; i < 20; ++i) s.destinations.push_back(plain("mx:d" + std::to_string(i)));
    s.destinations.push_back(plain("mx:dead.example"));
    s.destinations.back().outages.push_back({kStart - 1h, kStart + 1000h});
    std::uint32_t sent = 0;
    auto source = [dead, sent]() mutable -> std::optional<Arrival> {
      if (sent == 41'000) return std::nullopt;
      Arrival a;
      std::uint32_t number = sent++;
      // First the dead one's million, then one message in ten milliseconds.
      a.at = number < 1000 ? kStart : kStart + (number - 1000) * 100ms;
      if (number < 1000)
        a.destinations.assign(dead ? 1000 : 1, 20);
      else
        a.destinations.assign(1, number % 20);
      return a;
    };
    Simulation simulation(std::move(s), source);
    simulation.run();
    Report report = simulation.report();
    require_kept(report);
    REQUIRE(report.delivered == 40'000);
    REQUIRE(report.note_wait_max == 0ms);
    REQUIRE(report.destinations.back().breaker_opened == 1);
    // Sixty attempts in two hours at most, however many rows wait.
    REQUIRE(report.destinations.back().attempts <= 60);
    return report.delays;
  };
  Delays with = delays(true);
  Delays without = delays(false);
  REQUIRE(with.p95 <= without.p95 + 20ms);
  REQUIRE(with.max <= without.max + 100ms);
}

TEST_CASE("who is out comes back on schedule, and who never comes back expires once") {
  Scenario s = empty_scenario(6);
  s.queue.lifetime = 24h;
  for (int i = 0; i < 2; ++i) s.destinations.push_back(plain("mx:d" + std::to_string(i)));
  s.destinations[0].outages.push_back({kStart, kStart + 6h});
  s.destinations[1].outages.push_back({kStart, kStart + 1000h});
  std::uint32_t sent = 0;
  auto source = [&sent]() -> std::optional<Arrival> {
    if (sent == 2000) return std::nullopt;
    Arrival a;
    a.at = kStart + sent * 1s;
    a.destinations.push_back(sent++ % 2);
    return a;
  };
  Simulation simulation(std::move(s), source);
  simulation.run();
  Report report = simulation.report();
  require_kept(report);
  REQUIRE(report.delivered == 1000);
  REQUIRE(report.bounced == 1000);
  std::uint64_t warned = 0;
  for (const Hour& h : report.hours) warned += h.warned;
  REQUIRE(warned == 2000);
  // The last step of the schedule that may be under way when it comes back is two hours.
  REQUIRE(report.delays.max <= 6h + 2h + 15min);
  REQUIRE(report.end <= kStart + 24h + 1h);
}

TEST_CASE("the suspended is left alone until its time, others are not") {
  Scenario s = empty_scenario(7);
  for (int i = 0; i < 2; ++i) s.destinations.push_back(plain("mx:d" + std::to_string(i)));
  std::uint32_t sent = 0;
  auto source = [&sent]() -> std::optional<Arrival> {
    if (sent == 1000) return std::nullopt;
    Arrival a;
    a.at = kStart + sent * 1s;
    a.destinations.push_back(sent++ % 2);
    return a;
  };
  Simulation simulation(std::move(s), source);
  simulation.suspend(0, kStart + 3h);
  simulation.run(1900);
  REQUIRE(simulation.report().destinations[0].attempts == 0);
  REQUIRE(simulation.report().destinations[1].delivered > 200);
  simulation.run();
  require_kept(simulation.report());
  REQUIRE(simulation.report().delivered == 1000);
  REQUIRE(simulation.now() >= kStart + 3h);
}

// Each breaks one promise of the scheduler behind the simulation's back; it must be seen and named.
TEST_CASE("a broken promise is seen") {
  struct Sabotage {
    const char* promise;
    std::uint32_t rate;  // a minute
    void (*break_it)(Simulation&);
  };
  const Sabotage all[] = {
      {"the rate is kept", 10,
       [](Simulation& s) {
         qmgr::DestinationSettings settings;
         settings.route = 1;
         settings.route_connections = 3;
         s.scheduler().destination("mx:a", settings);
       }},
      {"the route's limit is kept", 6000,
       [](Simulation& s) {
         qmgr::DestinationSettings settings;
         s.scheduler().destination("mx:a", settings);
       }},
  };
  for (const Sabotage& one : all) {
    Scenario s = empty_scenario(8);
    s.destinations.push_back(plain("mx:a", 3s));
    s.destinations[0].settings.rate_count = one.rate;
    s.destinations[0].settings.rate_period = 60s;
    s.destinations[0].settings.route = 1;
    s.destinations[0].settings.route_connections = 3;
    std::uint32_t sent = 0;
    auto source = [&sent]() -> std::optional<Arrival> {
      if (sent++ == 200) return std::nullopt;
      return Arrival{kStart, false, 0, {0}};
    };
    Simulation simulation(std::move(s), source);
    simulation.run(5);
    one.break_it(simulation);
    simulation.run();
    const std::vector<std::string>& seen = simulation.report().violations;
    INFO(one.promise);
    CAPTURE(seen);
    REQUIRE(std::any_of(seen.begin(), seen.end(), [&](const std::string& violation) {
      return violation.find(one.promise) != std::string::npos;
    }));
  }
}

TEST_CASE("the same seed plays the same run") {
  auto play = [](std::uint64_t seed) {
    Simulation simulation(mixed_world(seed), mixed_mail(seed, 5'000));
    simulation.run();
    Report r = simulation.report();
    return std::tuple(r.events, r.delivered, r.refills, r.delays.p95, r.end);
  };
  REQUIRE(play(1) == play(1));
  REQUIRE(play(1) != play(2));
}

namespace {

// `bad` messages that the peer breaks off on, and among them `good` ones that it takes.
Report beside_the_failing(const DestinationPlan& plan, std::uint32_t bad, std::uint32_t good,
                          const std::function<void(Arrival&, bool)>& shape) {
  Scenario s = empty_scenario(bad);
  s.destinations.push_back(plan);
  s.end = kStart + 30h;
  Source source = [=, sent = std::uint32_t{0}]() mutable -> std::optional<Arrival> {
    if (sent >= bad + good) return std::nullopt;
    Arrival a;
    // The failing first: the others come when it is known what fails.
    a.at = kStart + sent * (sent < bad ? 1s : 60s);
    a.sender = sent < bad ? 5 : 1000 + sent;
    a.destinations = {0};
    shape(a, sent++ < bad);
    return a;
  };
  Simulation simulation(s, source);
  simulation.run();
  Report report = simulation.report();
  require_kept(report);
  return report;
}

}  // namespace

TEST_CASE("F1: one sender whose mail is broken off delays nobody else's") {
  for (std::uint32_t bad : {10U, 25U, 40U, 100U}) {
    INFO(bad << " failing");
    DestinationPlan d = plain("mx:far.example");
    d.breaks_at_senders = {5};
    Report report = beside_the_failing(d, bad, 20, [](Arrival&, bool) {});
    REQUIRE(report.delivered == 20);
    REQUIRE(report.delays.max < 10s);
    REQUIRE(report.destinations[0].breaker_opened == 0);
    // Each of the failing is tried now and then, and none as if it were alone.
    REQUIRE(report.waiting == bad);
    REQUIRE(report.destinations[0].attempts < 20U + 5U * 20U + bad * 3U);
  }
}

TEST_CASE("F1: a store that ends at one mailbox takes everybody else's mail") {
  for (std::uint32_t bad : {10U, 25U, 40U, 100U}) {
    INFO(bad << " failing");
    DestinationPlan d = plain("lmtp:store");
    d.settings.pool = qmgr::Pool::lmtp;
    d.settings.mailbox_schedule = true;
    d.breaks_at_mailboxes = {7};
    Report report = beside_the_failing(d, bad, 20, [](Arrival& a, bool fails) {
      static std::uint32_t sender = 0;
      a.sender = ++sender * 10;  // each of its own domain
      if (fails) a.mailboxes = {7};
    });
    REQUIRE(report.delivered == 20);
    REQUIRE(report.delays.max < 10s);
    REQUIRE(report.destinations[0].breaker_opened == 0);
    REQUIRE(report.waiting == bad);
  }
}

TEST_CASE("F1: what follows nobody is the destination's, and its breaker opens") {
  DestinationPlan d = plain("mx:far.example");
  d.breaks_off = {{kStart, kStart + 6h}};
  Report report = beside_the_failing(d, 40, 0, [](Arrival& a, bool) {
    static std::uint32_t sender = 0;
    a.sender = ++sender * 10;
  });
  REQUIRE(report.destinations[0].breaker_opened > 0);
  REQUIRE(report.delivered == 40);
  // Not each for itself through six hours.
  REQUIRE(report.destinations[0].attempts < 40U * 4U);
}

TEST_CASE("F1: a sender who is taken again is taken at once with all that waits") {
  DestinationPlan d = plain("mx:far.example");
  d.breaks_off = {{kStart, kStart + 20min}};
  Report report = beside_the_failing(d, 40, 0, [](Arrival&, bool) {});
  REQUIRE(report.delivered == 40);
  REQUIRE(report.delays.max < 3h);
}
