// Rules of scheduling one by one: order within a destination, MX sets, routes, suspensions, hints
// in replies, greylisting, reading behind a cursor, and what of it is stored.
#include <map>
#include <random>

#include <catch2/catch.hpp>

#include "queue-schema/migrations.h"

#include "qmgr/scheduling/scheduler.h"
#include "qmgr/verdicts/retry_hint.h"
#include "qmgr/verdicts/verdict.h"
#include "tests/unit/qmgr/support.h"
#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using test::at;

namespace {

Job job(std::uint64_t id, std::size_t recipients = 1,
        TrafficClass traffic_class = TrafficClass::interactive) {
  Job j{mail::QueueId{id}, traffic_class, at(1'000'000'000), {}};
  for (std::size_t i = 0; i < recipients; ++i)
    j.recipients.push_back(static_cast<std::uint32_t>(i));
  return j;
}

Scheduler make_scheduler() {
  Scheduler scheduler({}, 1);
  scheduler.configure({10min}, {10s});
  return scheduler;
}

void give(Scheduler& s, DestinationId d, Job j, WallTime now) {
  s.pin(d, static_cast<std::uint32_t>(j.recipients.size()));
  REQUIRE(s.offer(d, j, Scheduler::Source::accepted, now));
}

std::vector<Pick> take_all(Scheduler& s, WallTime now) {
  std::vector<Pick> picks;
  while (auto pick = s.next(Pool::smtp, now)) picks.push_back(*std::move(pick));
  return picks;
}

mail::Reply reply(int code, mail::EnhancedCode enhanced, std::string text) {
  mail::Reply r;
  r.code = code;
  r.enhanced = enhanced;
  r.text = std::move(text);
  return r;
}

}  // namespace

TEST_CASE("within a destination: waited time per remaining recipient") {
  JobQueue queue;
  Job mailing = job(1, 100, TrafficClass::bulk);
  mailing.remaining = 10'000;
  mailing.waiting_since = at(0);
  Job note = job(2);
  note.waiting_since = at(60'000);
  queue.push(mailing);
  queue.push(note);
  SECTION("a note of a moment beats a large mailing of a minute") {
    REQUIRE(queue.pop(at(61'000)).id.value == 2);
  }
  SECTION("but not a mailing of the same wait per recipient") {
    Job late = job(3);
    late.waiting_since = at(200'000'000);
    queue.pop(at(61'000));
    queue.push(late);
    REQUIRE(queue.pop(at(200'000'100)).id.value == 1);
  }
  SECTION("taken out") {
    std::vector<Job> taken;
    queue.take_if([](const Job& j) { return j.id.value == 1; }, taken);
    REQUIRE(taken.size() == 1);
    REQUIRE(queue.size() == 1);
    REQUIRE(queue.pop(at(61'000)).id.value == 2);
    REQUIRE(queue.empty());
  }
}

TEST_CASE("property: whatever is pushed comes out once, the same size in order of age") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    JobQueue queue;
    std::map<std::uint64_t, std::uint32_t> inside;
    std::map<std::uint32_t, std::uint64_t> last_of_size;
    std::int64_t now = 0;
    for (std::uint64_t id = 1; id <= 3000; ++id) {
      now += static_cast<std::int64_t>(random() % 100);
      if (random() % 5 < 3) {
        static constexpr std::uint32_t kSizes[] = {1, 5, 100, 5000};
        Job j = job(id);
        j.remaining = kSizes[random() % 4];
        j.waiting_since = at(now);
        inside[id] = j.remaining;
        queue.push(std::move(j));
      } else if (!queue.empty()) {
        Job j = queue.pop(at(now));
        REQUIRE(inside.erase(j.id.value) == 1);
        REQUIRE(last_of_size[j.remaining] < j.id.value);
        last_of_size[j.remaining] = j.id.value;
      }
      REQUIRE(queue.size() == inside.size());
    }
  }
}

TEST_CASE("domains with the same MX hosts share window, breaker and rate") {
  Scheduler s = make_scheduler();
  std::vector<DestinationId> domains;
  for (int i = 0; i < 10; ++i) {
    domains.push_back(s.destination("mx:d" + std::to_string(i), {}));
    s.associate(domains.back(), "mx1.example,mx2.example", at(0));
    for (std::uint64_t k = 0; k < 5; ++k)
      give(s, domains.back(), job(static_cast<std::uint64_t>(i) * 100 + k + 1), at(0));
  }
  std::vector<Pick> running = take_all(s, at(0));
  REQUIRE(running.size() == kMxSetWindowInitial);

  SECTION("one who leaves lets one in") {
    s.finished(running[0], AttemptEnd::undecided, at(1));
    REQUIRE(take_all(s, at(1)).size() == 1);
  }
  SECTION("the breaker of one is the breaker of all, one probe for all") {
    HealthChange changed;
    for (const Pick& pick : running) {
      HealthChange one = s.finished(pick, AttemptEnd::unreachable, at(1000));
      changed.mx_set = changed.mx_set || one.mx_set;
    }
    REQUIRE(changed.mx_set);
    REQUIRE(take_all(s, at(2000)).empty());
    WallTime trial_at = s.mx_set(domains[9])->health.hold_until();
    s.advance(trial_at);
    std::vector<Pick> trial = take_all(s, trial_at);
    REQUIRE(trial.size() == 1);
    REQUIRE(trial[0].trial);
    REQUIRE(s.finished(trial[0], AttemptEnd::reached, trial_at).mx_set);
    // Slow start: two at once for the set.
    REQUIRE(take_all(s, trial_at).size() == 2);
  }
  SECTION("a domain that moved elsewhere is free") {
    s.associate(domains[9], "other.example", at(1));
    REQUIRE(take_all(s, at(1)).size() == 5);
  }
  SECTION("from the store") {
    s.restore_set_breaker("third.example", {"", 2, at(0), at(50'000), ""}, at(10));
    DestinationId d = s.destination("mx:third", {});
    give(s, d, job(9000), at(10));
    s.associate(d, "third.example", at(10));
    REQUIRE(take_all(s, at(20)).empty());
    s.advance(at(50'000));
    REQUIRE(take_all(s, at(50'000)).size() == 1);
  }
}

TEST_CASE("a route's connections are shared by its destinations") {
  Scheduler s = make_scheduler();
  DestinationSettings settings;
  settings.route = 1;
  settings.route_connections = 3;
  for (int i = 0; i < 5; ++i)
    give(s, s.destination("mx:d" + std::to_string(i), settings),
         job(static_cast<std::uint64_t>(i) + 1), at(0));
  std::vector<Pick> running = take_all(s, at(0));
  REQUIRE(running.size() == 3);
  s.finished(running[1], AttemptEnd::reached, at(1));
  REQUIRE(take_all(s, at(1)).size() == 1);
  settings.route_connections = 10;  // a new configuration
  for (int i = 0; i < 5; ++i) s.destination("mx:d" + std::to_string(i), settings);
  s.finished(running[0], AttemptEnd::reached, at(2));
  REQUIRE(take_all(s, at(2)).size() == 1);
}

TEST_CASE("kind 16: no more attempts than keep the configured connections busy") {
  Scheduler s = make_scheduler();
  DestinationSettings settings;
  settings.connections = 1;
  DestinationId d = s.destination("mx:d", settings);
  for (std::uint64_t i = 1; i <= 200; ++i) give(s, d, job(i), at(0));
  std::vector<Pick> running = take_all(s, at(0));
  REQUIRE(running.size() == 1);  // nothing is known of the connection
  // Each success opens the window by one, up to what the connection makes use of.
  auto end_all = [&](WallTime now) {
    for (const Pick& pick : running) s.finished(pick, AttemptEnd::reached, now);
    running = take_all(s, now);
  };
  SECTION("by PIPELINING two and the next one") {
    s.note_flight(d, 3);
    for (int i = 1; i < 5; ++i) end_all(at(i));
    REQUIRE(running.size() == 3);
    settings.connections = 4;  // a new configuration
    s.destination("mx:d", settings);
    for (int i = 5; i < 10; ++i) end_all(at(i));
    REQUIRE(running.size() == 12);
  }
  SECTION("by CHUNKING what is worth it, at once after a few") {
    s.note_flight(d, 33);
    int rounds = 0;
    while (running.size() < 33 && rounds < 10) end_all(at(++rounds));
    REQUIRE(running.size() == 33);
    REQUIRE(rounds <= 6);
    settings.in_flight = 4;
    s.destination("mx:d", settings);
    end_all(at(20));
    REQUIRE(running.size() == 5);
    settings.in_flight = 1;
    s.destination("mx:d", settings);
    end_all(at(21));
    REQUIRE(running.size() == 1);
  }
  SECTION("a client that says anything at all") {
    s.note_flight(d, 4'000'000'000);
    for (int i = 1; i < 8; ++i) end_all(at(i));
    REQUIRE(running.size() == 33);
  }
  SECTION("with in_flight alone nobody counts connections") {
    settings.connections = 0;
    settings.in_flight = 2;
    s.destination("mx:d", settings);
    end_all(at(1));
    REQUIRE(running.size() == kWindowInitial);
  }
}

TEST_CASE("kind 16: domains with the same MX hosts share the configured connections") {
  Scheduler s = make_scheduler();
  DestinationSettings settings;
  settings.connections = 2;
  std::vector<DestinationId> domains;
  for (int i = 0; i < 10; ++i) {
    domains.push_back(s.destination("mx:d" + std::to_string(i), settings));
    s.associate(domains.back(), "mx1.example,mx2.example", at(0));
    for (std::uint64_t k = 0; k < 5; ++k)
      give(s, domains.back(), job(static_cast<std::uint64_t>(i) * 100 + k + 1), at(0));
  }
  std::vector<Pick> running = take_all(s, at(0));
  REQUIRE(running.size() == 2);
  // Everybody has his turn, one after the other.
  std::size_t delivered = 0;
  for (int turn = 1; !running.empty(); ++turn) {
    REQUIRE(running.size() <= 2);
    delivered += running.size();
    for (const Pick& pick : running) s.finished(pick, AttemptEnd::reached, at(turn));
    running = take_all(s, at(turn));
  }
  REQUIRE(delivered == 50);
}

TEST_CASE("lanes: bulk, bounces and probes leave slots to notes") {
  Scheduler s = make_scheduler();
  s.set_capacity(Pool::smtp, 20);
  for (std::uint64_t i = 0; i < 40; ++i) {
    DestinationId d = s.destination("mx:d" + std::to_string(i), {});
    give(s, d, job(i * 10 + 1, 30, TrafficClass::bulk), at(0));
    give(s, d, job(i * 10 + 2, 1, TrafficClass::bounce), at(0));
  }
  std::map<TrafficClass, int> running;
  std::vector<Pick> picks;
  while (picks.size() < 20) {
    auto pick = s.next(Pool::smtp, at(0));
    if (!pick) break;
    ++running[pick->job.traffic_class];
    picks.push_back(*std::move(pick));
  }
  REQUIRE(running[TrafficClass::bounce] == 10);
  REQUIRE(running[TrafficClass::bulk] == 10);
}

TEST_CASE("a suspended destination waits until its time, and its milestones pass") {
  Scheduler s = make_scheduler();
  DestinationId d = s.destination("mx:a", {});
  s.suspend(d, at(10'000), at(0));
  Job early = job(1);
  early.milestone = at(5000);
  give(s, d, early, at(0));
  give(s, d, job(2), at(0));
  REQUIRE(take_all(s, at(0)).empty());
  REQUIRE(s.wake_at() == at(5000));
  s.advance(at(5000));
  REQUIRE(s.take_milestones_due().size() == 1);
  REQUIRE(s.report(10).at(0).suspended_until == at(10'000));
  SECTION("its time is over") {
    s.advance(at(10'000));
    REQUIRE(take_all(s, at(10'000)).size() == 1);
  }
  SECTION("resumed before") {
    s.resume(d, at(6000));
    REQUIRE(take_all(s, at(6000)).size() == 1);
  }
  SECTION("until further notice") {
    s.suspend(d, WallTime::max(), at(6000));
    s.advance(at(10'000'000));
    REQUIRE(take_all(s, at(10'000'000)).empty());
  }
}

TEST_CASE("refills go on behind the last row, and begin anew when a row lies before it") {
  Scheduler s = make_scheduler();
  DestinationId d = s.destination("mx:a", {});
  s.due_at(d, at(0), at(100));
  auto refills = s.take_refills();
  REQUIRE(refills.size() == 1);
  REQUIRE(refills[0].after.due == WallTime{});
  give(s, d, job(1), at(100));
  StoreCursor last{at(50), mail::QueueId{7}, 3};
  s.refilled(d, at(60), last, at(100));
  refills = s.take_refills();
  REQUIRE(refills.size() == 1);
  REQUIRE(refills[0].after.due == at(50));
  REQUIRE(refills[0].after.id.value == 7);
  SECTION("a later row changes nothing") {
    s.refilled(d, std::nullopt, last, at(100));
    s.due_at(d, at(200), at(200));
    REQUIRE(s.take_refills().at(0).after.due == at(50));
  }
  SECTION("an earlier one does, even while reading") {
    s.due_at(d, at(10), at(150));
    s.refilled(d, std::nullopt, last, at(150));
    REQUIRE(s.take_refills().at(0).after.due == WallTime{});
  }
}

TEST_CASE("hints in replies") {
  struct Case {
    const char* text;
    std::optional<Duration> wanted;
  };
  for (const Case& c : std::vector<Case>{
           {"Greylisted, please try again in 300 seconds", 300s},
           {"try again in 5 minutes", 5min},
           {"Please retry after 90 sec.", 90s},
           {"Service unavailable, wait 2 hours", 2h},
           {"Greylisting in action, please come back in 00:04:59", 299s},
           {"come back in 1:30", 90s},
           {"retry in 300s", 300s},
           {"Try again in 1 minute and 30 seconds", 90s},
           {"try again in\n10 minutes", std::nullopt},  // a line's end is an end
           {"D11: try again in 1,800 seconds", 1800s},
           {"D11: retry in 2 days", 48h},
           {"D11: try again in 1,000,000 seconds", 1'000'000s},
           {"try again in 1,80 seconds", std::nullopt},
           {"try again later", std::nullopt},
           {"mailbox over quota since 5 days", std::nullopt},
           {"300 seconds passed", std::nullopt},
           {"Try again later. Session lasted 30 seconds", std::nullopt},
           {"try again in 99999999999999 seconds", std::nullopt},
           {"try again in 0 seconds", std::nullopt},
           {"try again in 5 parsecs", std::nullopt},
           {"retry in 99:99:99", std::nullopt},
           {"", std::nullopt},
           {"again 5", std::nullopt},
           {"again 5:", std::nullopt},
       }) {
    INFO(c.text);
    REQUIRE(retry_hint(c.text) == c.wanted);
  }
}

TEST_CASE("property: no text breaks the hint parser") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    static constexpr const char* kPieces[] = {"try again", " in ",     "5",     "00:", ":",
                                              ".",         " minutes", "\n",    "99",  "s",
                                              "\xff",      "and ",     "wait ", "\0x"};
    std::string text;
    for (std::uint64_t n = random() % 60; n > 0; --n) text += kPieces[random() % 14];
    std::optional<Duration> hint = retry_hint(text);
    if (hint) REQUIRE(*hint > Duration(0));
  }
}

TEST_CASE("greylisting is known by its words") {
  REQUIRE(is_greylisting(reply(451, {4, 7, 1}, "Greylisting in action")));
  REQUIRE(is_greylisting(reply(450, {}, "you are GRAYLISTED")));
  REQUIRE(is_greylisting(reply(450, {4, 7, 1}, "Please try again later")));
  REQUIRE_FALSE(is_greylisting(reply(450, {4, 2, 2}, "mailbox full, try again later")));
  REQUIRE_FALSE(is_greylisting(reply(451, {4, 7, 1}, "sender address rejected")));
  REQUIRE_FALSE(is_greylisting(reply(550, {5, 7, 1}, "greylisted for ever")));
  REQUIRE_FALSE(is_greylisting(reply(0, {}, "greylisted")));
}

TEST_CASE("what the peer's words make of the delay") {
  auto delay = [](const mail::Reply& r, Duration scheduled, std::uint32_t attempts,
                  std::optional<WallTime> before = {}) {
    return delay_after({r, before}, scheduled, attempts, 42, at(10'000'000));
  };
  mail::Reply hint = reply(451, {4, 7, 0}, "try again in 300 seconds");
  SECTION("a hint is never undercut, and may shorten the schedule for a while") {
    for (Duration scheduled : {Duration(1min), Duration(4h)}) {
      REQUIRE(delay(hint, scheduled, 1) >= 300s);
      REQUIRE(delay(hint, scheduled, 1) <= 330s);
    }
    REQUIRE(delay(hint, 4h, kHintAttempts + 1) == 4h);
  }
  SECTION("a hint has bounds") {
    REQUIRE(delay(reply(450, {}, "retry in 1 second"), 1min, 1) >= kHintMin);
    REQUIRE(delay(reply(450, {}, "retry in 900 hours"), 1min, 1) <= kHintMax + kHintMax / 10);
  }
  SECTION("greylisting: five to six minutes, fifteen to twenty, then the schedule") {
    mail::Reply grey = reply(451, {4, 7, 1}, "Greylisted, see http://example.org/");
    REQUIRE(delay(grey, 2h, 5) >= 5min);
    REQUIRE(delay(grey, 2h, 5) <= 6min);
    REQUIRE(delay(grey, 1min, 1) == 1min);
    REQUIRE(delay(grey, 2h, 6, at(10'000'000) - 6min) >= 15min);
    REQUIRE(delay(grey, 2h, 6, at(10'000'000) - 6min) <= 20min);
    REQUIRE(delay(grey, 2h, 7, at(10'000'000) - 17min) == 2h);
  }
  SECTION("other words change nothing") {
    REQUIRE(delay(reply(452, {4, 2, 2}, "mailbox full"), 15min, 2) == 15min);
    REQUIRE(delay(reply(0, {4, 4, 1}, "try again in 300 seconds"), 15min, 2) == 15min);
  }
}

TEST_CASE("a verdict heeds the hint") {
  MessageInfo message;
  message.id = mail::QueueId{5};
  message.arrival.received_at = at(0);
  std::vector<Duration> delays{4h};
  RetryRules rules{{5 * 24h, std::nullopt}, &delays, 0, false};
  mail::Outcome outcome;
  outcome.stage = mail::Stage::rcpt;
  outcome.blame = mail::Blame::recipient;
  outcome.reply = reply(450, {4, 7, 0}, "try again in 10 minutes");
  Verdict verdict = judge(message, {}, outcome, rules, at(1000));
  REQUIRE(verdict.change.kind == ChangeKind::defer);
  REQUIRE(verdict.change.next_attempt_at >= at(1000) + 10min);
  REQUIRE(verdict.change.next_attempt_at <= at(1000) + 11min);
}

TEST_CASE("the store keeps suspensions and MX sets, and a database of schema 1 gets them") {
  test::TempFolder folder;
  {
    auto db = Database::open(folder.db(), Database::Create::if_missing);
    REQUIRE(db.ok());
    REQUIRE(db->run(std::string(queue_schema::migrations()[0].sql)).ok());
    REQUIRE(db->run("PRAGMA application_id = 1347907953").ok());
    REQUIRE(db->run("PRAGMA user_version = 1").ok());
  }
  for (int round = 0; round < 2; ++round) {
    test::StoreUnderTest store(folder.db());
    if (round == 0) {
      store.note({DestinationFact(Suspension{"mx:a", at(1), at(2), "ann", "works"}),
                  DestinationFact(Suspension{"mx:b", at(1), WallTime::max(), "ben", ""}),
                  DestinationFact(Suspension{"mx:c", at(1), at(2), "", ""}),
                  DestinationFact(RemoveSuspension{"mx:c"}),
                  DestinationFact(PutMxSet{{"mx:a", "h1,h2"}, at(5)}),
                  DestinationFact(PutMxSet{{"mx:a", "h3"}, at(6)}),
                  DestinationFact(PutMxSet{{"mx:old", "h4"}, at(1)}),
                  DestinationFact(RemoveMxSetsBefore{at(5)})});
      continue;
    }
    auto suspended = store->destinations().suspensions({}, 10);
    REQUIRE(suspended.ok());
    REQUIRE(suspended->size() == 2);
    REQUIRE((*suspended)[0].until == at(2));
    REQUIRE((*suspended)[0].author == "ann");
    REQUIRE((*suspended)[0].reason == "works");
    REQUIRE((*suspended)[1].until == WallTime::max());
    auto known = store->destinations().mx_sets({}, 10);
    REQUIRE(known.ok());
    REQUIRE(known->size() == 1);
    REQUIRE((*known)[0].hosts == "h3");
  }
}

TEST_CASE("a page of due rows begins behind the cursor") {
  test::TempFolder folder;
  test::StoreUnderTest store(folder.db());
  for (std::uint64_t id = 1; id <= 5; ++id)
    store.put(test::make_message(id, {"a@example.org", "b@example.org"}), at(100));
  StoreCursor after;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> seen;
  for (;;) {
    DuePage page = store.due("mx:example.org", at(200), 3, after);
    for (const DuePage::Row& row : page.rows)
      seen.emplace_back(row.message.value, row.recipient.index);
    if (page.rows.empty()) break;
    const DuePage::Row& last = page.rows.back();
    after = {last.recipient.next_attempt_at, last.message, last.recipient.index};
  }
  REQUIRE(seen.size() == 10);
  REQUIRE(std::is_sorted(seen.begin(), seen.end()));
}
