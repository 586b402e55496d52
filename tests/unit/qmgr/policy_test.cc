// The small pure parts: routes, retry times, verdicts, notices, health, admission, filters.
#include <catch2/catch.hpp>

#include "common/config/config.h"
#include "qmgr/disk/ballast.h"
#include "qmgr/intake/recipient_cache.h"
#include "qmgr/model/list_filter.h"
#include "qmgr/queue/admission.h"
#include "qmgr/queue/host_lacks.h"
#include "qmgr/routing/router.h"
#include "qmgr/store/gather.h"
#include "qmgr/store/sqlite/store.h"
#include "qmgr/verdicts/notice_gather.h"
#include "qmgr/verdicts/retry_policy.h"
#include "qmgr/verdicts/verdict.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using test::at;

namespace {

config::Route route(std::vector<std::string> match, const std::string& deliver) {
  config::Route r;
  r.match = std::move(match);
  r.deliver = *mail::NextHop::parse(deliver);
  return r;
}

}  // namespace

TEST_CASE("the first route that matches wins, none is MX") {
  config::Config config;
  config.delivery.smtp_port = 2525;
  config.routes = {
      route({"boss@example.org"}, "smtp:boss:25"),
      route({".example.org", "example.net"}, "lmtp:unix:/run/store"),
      route({"example.org", "vip@sub.example.org"}, "smtp:relay:587"),
      route({"sub.example.org"}, "smtp:never:25"),
  };
  config.routes[2].credential = {mail::Credential::Kind::password, "user", "secret", {}, false};
  Router router(config);
  struct {
    const char* address;
    const char* key;
  } rows[] = {
      {"a@example.org", "smtp:relay:587 route=2"},
      {"A@EXAMPLE.ORG", "smtp:relay:587 route=2"},
      {"Boss@Example.org", "smtp:boss:25"},
      {"\"boss\"@example.org", "smtp:boss:25"},
      {"a@sub.example.org", "lmtp:unix:/run/store"},
      {"vip@sub.example.org", "lmtp:unix:/run/store"},
      {"a@deep.sub.example.org", "lmtp:unix:/run/store"},
      {"a@notexample.org", "mx:notexample.org"},
      {"a@example.net", "lmtp:unix:/run/store"},
      {"a@x.example.net", "mx:x.example.net"},
      {"a@Other.Example.COM.", "mx:other.example.com"},
      {"a@[192.0.2.1]", "mx:[192.0.2.1]"},
      {"a@[IPv6:2001:db8::1]", "mx:[ipv6:2001:db8::1]"},
  };
  for (const auto& row : rows) {
    INFO(row.address);
    REQUIRE(router.route(mail::Address::from_text(row.address), {}).key == row.key);
  }
  Routed lmtp = router.route(mail::Address::from_text("a@example.net"), {});
  REQUIRE(lmtp.settings->approach.tls == mail::TlsLevel::off);
  REQUIRE(lmtp.settings->store_schedule);
  REQUIRE(router.route(mail::Address::from_text("a@example.org"), {})
              .settings->approach.credential.secret == "secret");

  config.routes.insert(config.routes.begin() + 1, route({"*"}, "smtp:all:25"));
  Router with_star(config);
  REQUIRE(with_star.route(mail::Address::from_text("boss@example.org"), {}).key == "smtp:boss:25");
  REQUIRE(with_star.route(mail::Address::from_text("a@[192.0.2.1]"), {}).key == "smtp:all:25");
  REQUIRE(with_star.route(mail::Address::from_text("a@example.net"), {}).key == "smtp:all:25");
}

TEST_CASE("a route for some senders takes their mail only") {
  config::Config config;
  config.routes = {
      route({"*"}, "smtp:ours:25"),         route({"example.org"}, "smtp:bulk:25"),
      route({"example.org"}, "smtp:mx:25"), route({"*"}, "smtp:bounces:25"),
      route({"*"}, "smtp:all:25"),
  };
  config.routes[0].senders = {"boss@ours.test", ".dept.test"};
  config.routes[1].senders = {"ours.test"};
  config.routes[3].senders = {"<>"};
  Router router(config);
  struct {
    const char* sender;
    const char* recipient;
    const char* key;
  } rows[] = {
      {"Boss@ours.test", "a@example.org", "smtp:ours:25"},
      {"x@a.dept.test", "a@far.test", "smtp:ours:25"},
      {"x@ours.test", "a@example.org", "smtp:bulk:25"},
      {"x@else.test", "a@example.org", "smtp:mx:25"},
      {"x@ours.test", "a@far.test", "smtp:all:25"},
      {"", "a@far.test", "smtp:bounces:25"},
      {"", "a@example.org", "smtp:mx:25"},
  };
  for (const auto& row : rows) {
    INFO(row.sender << " to " << row.recipient);
    mail::Address sender =
        *row.sender == '\0' ? mail::Address() : mail::Address::from_text(row.sender);
    REQUIRE(router.route(mail::Address::from_text(row.recipient), sender).key == row.key);
  }
}

TEST_CASE("retry delays follow the list, the last one repeats, jitter stays in its bounds") {
  std::vector<Duration> list = {1min, 5min, 15min};
  Duration want[] = {1min, 1min, 5min, 15min, 15min, 15min};
  for (std::uint32_t attempts = 0; attempts < 6; ++attempts)
    REQUIRE(retry_delay(list, attempts, 0, 99) == want[attempts]);
  Duration least = 1h;
  Duration most = 0ms;
  for (std::uint64_t salt = 0; salt < 1000; ++salt) {
    Duration d = retry_delay(list, 2, 0.1, salt);
    REQUIRE(d >= 270s);
    REQUIRE(d <= 330s);
    REQUIRE(d == retry_delay(list, 2, 0.1, salt));
    least = std::min(least, d);
    most = std::max(most, d);
  }
  REQUIRE(least < 275s);
  REQUIRE(most > 325s);
}

TEST_CASE("plans: warning once, no attempt beyond a milestone, expiry after the last one") {
  Lifetimes limits{5h, 2h};
  struct {
    const char* name;
    Duration age;
    Duration delay;
    bool warned;
    bool expired;
    bool warn;
    Duration next;  // after arrival
  } rows[] = {
      {"young", 1min, 5min, false, false, false, 6min},
      {"not beyond the warning", 1h + 50min, 30min, false, false, false, 2h},
      {"the warning", 2h, 30min, false, false, true, 2h + 30min},
      {"warned already", 2h + 30min, 30min, true, false, false, 3h},
      {"not beyond the end", 4h + 50min, 4h, true, false, false, 5h},
      {"the end", 5h, 1min, true, true, false, 0ms},
      {"late and never warned", 6h, 1min, false, true, false, 0ms},
  };
  for (const auto& row : rows) {
    INFO(row.name);
    Plan plan = plan_retry(limits, at(0), at(0) + row.age, row.delay, row.warned);
    REQUIRE(plan.expired == row.expired);
    REQUIRE(plan.warn == row.warn);
    if (!row.expired) REQUIRE(plan.next_attempt_at == at(0) + row.next);
  }
  config::Queue queue;
  REQUIRE(lifetimes(queue, true).lifetime == queue.bounce_lifetime);
  REQUIRE_FALSE(lifetimes(queue, true).delay_warning.has_value());
}

TEST_CASE("verdicts: only a clear no fails, the lifetime ends everything") {
  MessageInfo message = test::make_message(5, {}).info;
  std::vector<Duration> list = {1min};
  RetryRules rules{{1h, std::nullopt}, &list, 0, false};
  RecipientFacts facts;
  facts.destination = "mx:example.org";
  facts.attempts = 3;

  mail::Outcome outcome;
  outcome.disposition = mail::Disposition::delivered;
  Verdict verdict = judge(message, facts, outcome, rules, at(1000));
  REQUIRE(verdict.change.kind == ChangeKind::remove);
  REQUIRE(verdict.event == Event::relayed);
  outcome.dsn_passed_on = true;
  REQUIRE_FALSE(judge(message, facts, outcome, rules, at(1000)).event.has_value());
  rules.final_delivery = true;
  outcome.dsn_passed_on = false;
  REQUIRE(judge(message, facts, outcome, rules, at(1000)).event == Event::delivered);

  outcome.disposition = mail::Disposition::failed;
  REQUIRE(judge(message, facts, outcome, rules, at(1000)).event == Event::failed);

  outcome.disposition = mail::Disposition::deferred;
  outcome.stage = mail::Stage::final_reply;
  outcome.in_doubt = true;
  verdict = judge(message, facts, outcome, rules, at(1000));
  REQUIRE(verdict.change.kind == ChangeKind::defer);
  REQUIRE(verdict.change.attempts == 4);
  REQUIRE(verdict.change.in_doubt);
  REQUIRE(verdict.change.next_attempt_at == at(1000) + 16min);
  verdict = judge(message, facts, outcome, rules, at(3600'000));
  REQUIRE(verdict.change.kind == ChangeKind::remove);
  REQUIRE(verdict.event == Event::expired);

  SECTION("an attempt of our own making is not counted and soon repeated") {
    mail::Outcome local = mail::local_outcome(mail::Disposition::deferred, mail::Stage::local,
                                              mail::Blame::nobody, {4, 3, 2}, "stopping");
    verdict = judge(message, facts, local, rules, at(1000));
    REQUIRE(verdict.change.attempts == 3);
    REQUIRE(verdict.change.next_attempt_at == at(3000));
  }
}

TEST_CASE("F8: what may have been delivered is sent again later than what failed, and seldom") {
  const std::vector<Duration> store = {10s, 30s, 1min, 2min, 5min};
  const std::vector<Duration> internet = {1min, 5min, 15min, 30min, 1h, 2h, 4h};
  for (const auto& [schedule, most] : {std::pair{&store, 27U}, std::pair{&internet, 27U}}) {
    RetryRules rules{{120h, std::nullopt}, schedule, 0, true};
    MessageInfo message = test::make_message(5, {}).info;
    message.arrival.received_at = at(0);
    mail::Outcome outcome;
    outcome.stage = mail::Stage::final_reply;
    outcome.blame = mail::Blame::destination;
    outcome.reply = {0, {4, 4, 2}, "connection lost"};
    RecipientFacts facts;
    WallTime now = at(0);
    Duration before{};
    unsigned copies = 0;
    for (;; ++copies) {
      outcome.in_doubt = false;
      Verdict plainly = judge(message, facts, outcome, rules, now);
      outcome.in_doubt = true;
      Verdict doubt = judge(message, facts, outcome, rules, now);
      if (doubt.change.kind != ChangeKind::defer) break;
      Duration pause = doubt.change.next_attempt_at - now;
      bool last = doubt.change.next_attempt_at == at(0) + 120h;
      if (!last) {
        REQUIRE(doubt.change.next_attempt_at > plainly.change.next_attempt_at);
        REQUIRE(pause >= before);
      }
      before = pause;
      facts.attempts = doubt.change.attempts;
      now = doubt.change.next_attempt_at;
    }
    REQUIRE(copies <= most);
  }
  // A schedule that is slower than that stays what it is.
  REQUIRE(doubt_delay({24h}, 1, 24h) == 24h);
}

TEST_CASE("F2: who may be tried with whom after a session has ended at somebody") {
  using mail::HopKind;
  using mail::Stage;
  auto last = [](Stage stage, mail::Reply reply) { return LastOutcome{at(1), stage, reply, {}}; };
  const mail::Reply lost{0, {4, 4, 2}, "connection lost"};
  REQUIRE(company_of({}, 0, HopKind::mx) == Company::any);
  REQUIRE(company_of(last(Stage::rcpt, {451, {4, 7, 1}, "later"}), 1, HopKind::mx) == Company::any);
  REQUIRE(company_of(last(Stage::connect, lost), 9, HopKind::mx) == Company::any);
  REQUIRE(company_of(last(Stage::rcpt, {421, {4, 2, 1}, "bye"}), 1, HopKind::mx) == Company::alone);
  REQUIRE(company_of(last(Stage::rcpt, lost), 1, HopKind::mx) == Company::alone);
  REQUIRE(company_of(last(Stage::rcpt, mail::beside_another()), 1, HopKind::mx) == Company::fewer);
  REQUIRE(company_of(last(Stage::final_reply, lost), 1, HopKind::lmtp) == Company::alone);
  // One reply for all: it may be the message. Only when that goes on are they tried apart.
  REQUIRE(company_of(last(Stage::final_reply, lost), 1, HopKind::mx) == Company::any);
  REQUIRE(company_of(last(Stage::final_reply, lost), 3, HopKind::mx) == Company::few);
  REQUIRE(parts_of(Company::any, 9) == 1);
  REQUIRE(parts_of(Company::fewer, 1) == 2);
  REQUIRE(parts_of(Company::fewer, 3) == 8);
  REQUIRE(parts_of(Company::few, 100) == 8);
}

TEST_CASE("F1: the end of an attempt behind MAIL is told from one before it") {
  AttemptSummary summary;
  mail::Outcome outcome;
  outcome.blame = mail::Blame::destination;
  outcome.stage = mail::Stage::rcpt;
  summary.add(outcome, 4);
  REQUIRE(summary.end() == AttemptEnd::broken_off);
  REQUIRE(summary.broken_at() == 4U);
  outcome.stage = mail::Stage::connect;
  summary.add(outcome, 5);
  REQUIRE(summary.end() == AttemptEnd::unreachable);
}

TEST_CASE("F1: suspects: blame follows what failures have in common") {
  const std::vector<Duration> retry = {1min, 5min};
  Suspects::Steps steps{kInternetSteps, retry, 0.5};
  Suspects suspects;
  auto breaks = [&](std::uint64_t message, Marks marks) {
    return suspects.broke_off(mail::QueueId{message}, marks, "421 no", at(0), steps);
  };
  auto waits = [&](std::uint64_t message, Marks marks, WallTime now) {
    return suspects.hold(mail::QueueId{message}, marks, now, steps).has_value();
  };

  SECTION("one sender: held, then one trial at a time, and nobody else") {
    for (std::uint32_t i = 1; i <= 5; ++i) REQUIRE_FALSE(breaks(i, {7, 1, 100 + i}));
    REQUIRE(waits(9, {7, 1, 200}, at(1)));
    REQUIRE_FALSE(waits(9, {8, 1, 101}, at(1)));
    REQUIRE_FALSE(waits(9, {7, 1, 200}, at(60'000)));  // it is the trial
    REQUIRE(waits(10, {7, 1, 201}, at(60'001)));
    REQUIRE_FALSE(breaks(9, {7, 1, 200}));
    suspects.succeeded({7, 1, 202});
    REQUIRE_FALSE(waits(10, {7, 1, 201}, at(60'002)));
    REQUIRE(suspects.idle());
  }
  SECTION("one mailbox, whoever writes") {
    for (std::uint32_t i = 1; i <= 5; ++i) REQUIRE_FALSE(breaks(i, {i, i, 100}));
    REQUIRE(waits(9, {9, 9, 100}, at(1)));
    REQUIRE_FALSE(waits(9, {1, 1, 101}, at(1)));
  }
  SECTION("one sender to one mailbox: neither's other mail") {
    for (std::uint32_t i = 1; i <= 5; ++i) REQUIRE_FALSE(breaks(i, {7, 1, 100}));
    REQUIRE(waits(9, {7, 1, 100}, at(1)));
    REQUIRE_FALSE(waits(9, {7, 1, 101}, at(1)));
    REQUIRE_FALSE(waits(9, {8, 1, 100}, at(1)));
  }
  SECTION("many senders of one domain") {
    for (std::uint32_t i = 1; i <= 5; ++i) REQUIRE_FALSE(breaks(i, {i, 1, 100 + i}));
    REQUIRE(waits(9, {9, 1, 200}, at(1)));
    REQUIRE_FALSE(waits(9, {9, 2, 200}, at(1)));
  }
  SECTION("one message that fails again and again says nothing of others") {
    for (std::uint32_t i = 1; i <= 50; ++i) REQUIRE_FALSE(breaks(1, {7, 1, 100}));
    REQUIRE_FALSE(waits(2, {7, 1, 100}, at(1)));
  }
  SECTION("spread over all: the destination") {
    bool spread = false;
    for (std::uint32_t i = 1; i <= 7; ++i) spread = breaks(i, {i, i, 100 + i});
    REQUIRE(spread);
  }
  SECTION("others got through in between: not the destination") {
    for (std::uint32_t i = 1; i <= 30; ++i) {
      REQUIRE_FALSE(breaks(i, {i, i, 100 + i}));
      suspects.succeeded({1000 + i, 1000 + i, 2000 + i});
    }
  }
  SECTION("bounded") {
    for (std::uint32_t i = 1; i <= 10'000; ++i) (void)breaks(i, {i / 6, i / 6, i});
    REQUIRE(suspects.held() <= kSuspectsHeldMax);
  }
}

TEST_CASE("notices: who is told what") {
  MessageInfo message = test::make_message(5, {}).info;
  NoticeSettings settings{"mx.test", "postmaster@test", 5h, true, 1000, nullptr};
  auto event = [](std::uint32_t index, Event what, std::uint8_t notify = 0) {
    RecipientEvent e;
    e.index = index;
    e.event = what;
    e.details.recipient.notify.bits = notify;
    return e;
  };
  using N = mail::Notify;
  SECTION("one notice for all that failed at once, NOTIFY obeyed") {
    auto orders = plan_notices(
        message,
        {event(0, Event::failed), event(1, Event::expired), event(2, Event::failed, N::never),
         event(3, Event::failed, N::success), event(4, Event::delayed),
         event(5, Event::delayed, N::failure), event(6, Event::delivered),
         event(7, Event::delivered, N::success), event(8, Event::relayed, N::success)},
        settings, at(0));
    REQUIRE(orders.size() == 4);
    REQUIRE(orders[0].request.action == DsnAction::failed);
    REQUIRE(orders[0].indices == std::vector<std::uint32_t>{0, 1});
    REQUIRE(orders[0].request.recipients[1].expired);
    REQUIRE(orders[0].kind == MessageKind::notice);
    REQUIRE(orders[0].request.to.text() == "sender@example.com");
    REQUIRE(orders[1].indices == std::vector<std::uint32_t>{4});
    REQUIRE(orders[2].indices == std::vector<std::uint32_t>{7});
    REQUIRE(orders[3].indices == std::vector<std::uint32_t>{8});
  }
  SECTION("S14: a stranger's report of success quotes nothing, one of failure does") {
    settings.to_stranger = true;
    auto orders =
        plan_notices(message,
                     {event(0, Event::failed), event(1, Event::delivered, N::success),
                      event(2, Event::relayed, N::success), event(3, Event::expanded, N::success)},
                     settings, at(0));
    REQUIRE(orders.size() == 4);
    REQUIRE(orders[0].request.quotes);
    for (std::size_t i = 1; i < 4; ++i) REQUIRE_FALSE(orders[i].request.quotes);
    settings.to_stranger = false;
    orders = plan_notices(message, {event(1, Event::delivered, N::success)}, settings, at(0));
    REQUIRE(orders.at(0).request.quotes);
  }
  SECTION("operate 1: the null sender is never answered, and nobody else by default") {
    message.envelope.reverse_path = {};
    settings.double_bounces = NoticeSettings{}.double_bounces;
    REQUIRE(ends_untold(message, settings.double_bounces));
    REQUIRE(plan_notices(message, {event(0, Event::failed)}, settings, at(0)).empty());
  }
  SECTION("operate 1: with double_bounces the postmaster hears of it once") {
    message.envelope.reverse_path = {};
    settings.double_bounces = true;
    auto orders = plan_notices(
        message,
        {event(0, Event::failed), event(1, Event::delayed), event(2, Event::delivered, N::success)},
        settings, at(0));
    REQUIRE(orders.size() == 1);
    REQUIRE(orders[0].kind == MessageKind::double_bounce);
    REQUIRE(orders[0].request.to.text() == "postmaster@test");
    REQUIRE(orders[0].request.to_postmaster);
    settings.double_bounces = false;
    REQUIRE(plan_notices(message, {event(0, Event::failed)}, settings, at(0)).empty());
    settings.double_bounces = true;
    message.kind = MessageKind::double_bounce;
    REQUIRE(plan_notices(message, {event(0, Event::failed)}, settings, at(0)).empty());
  }
  SECTION("very many recipients make several notices") {
    std::vector<RecipientEvent> events;
    for (std::uint32_t i = 0; i < 250; ++i) events.push_back(event(i, Event::failed));
    auto orders = plan_notices(message, std::move(events), settings, at(0));
    REQUIRE(orders.size() == 3);
    REQUIRE(orders[2].indices.size() == 50);
  }
}

TEST_CASE("health: window, breaker, half-open probe") {
  std::vector<Duration> retry = {1min, 5min, 15min, 30min, 60min};
  DestinationHealth health(0);
  REQUIRE(health.slots(at(0)) == 5);
  for (int i = 0; i < 300; ++i) health.succeeded();
  REQUIRE(health.slots(at(0)) == kWindowMax);

  SECTION("a few failures shrink the window, one message in trouble opens nothing") {
    for (std::uint32_t i = 0; i + 1 < kCohort; ++i)
      REQUIRE_FALSE(health.failed(at(0), kInternetSteps, retry, 0.5));
    REQUIRE_FALSE(health.is_open());
    REQUIRE(health.slots(at(0)) == kWindowMax - kCohort + 1);
    health.succeeded();
    REQUIRE_FALSE(health.failed(at(0), kInternetSteps, retry, 0.5));
  }
  SECTION("a cohort opens it; the hold follows the retry schedule; one probe closes it") {
    for (std::uint32_t i = 0; i < kCohort; ++i)
      (void)health.failed(at(0), kInternetSteps, retry, 0.5);
    REQUIRE(health.is_open());
    REQUIRE(health.slots(at(0)) == 0);
    REQUIRE(health.hold_until() == at(60'000));
    REQUIRE_FALSE(health.failed(at(10), kInternetSteps, retry, 0.5));  // began before
    REQUIRE(health.slots(at(60'000)) == 1);
    REQUIRE(health.failed(at(60'000), kInternetSteps, retry, 0.5));
    REQUIRE(health.hold_until() == at(60'000) + 5min);
    WallTime now = health.hold_until();
    for (int i = 0; i < 8; ++i) {
      REQUIRE(health.failed(now, kInternetSteps, retry, 1.0));
      REQUIRE(health.hold_until() - now <= 60min);
      now = health.hold_until();
    }
    REQUIRE(health.succeeded());
    REQUIRE(health.slots(now) == kWindowSlowStart);
  }
  SECTION("a schedule in seconds is not held up") {
    std::vector<Duration> fast = {1s};
    for (std::uint32_t i = 0; i < kCohort; ++i) (void)health.failed(at(0), kStoreSteps, fast, 0.5);
    REQUIRE(health.hold_until() == at(1000));
  }
  SECTION("a route's own limit") {
    DestinationHealth narrow(3);
    REQUIRE(narrow.slots(at(0)) == 3);
    for (int i = 0; i < 100; ++i) narrow.succeeded();
    REQUIRE(narrow.slots(at(0)) == 3);
  }
}

TEST_CASE("gathering waits only where somebody can still join") {
  REQUIRE(gathered_enough(1, 0));
  REQUIRE(gathered_enough(1, 1));
  REQUIRE_FALSE(gathered_enough(1, 2));
  REQUIRE_FALSE(gathered_enough(13, 20));
  REQUIRE(gathered_enough(14, 20));
  REQUIRE(gathered_enough(180, 100000));
}

TEST_CASE("commits pause only when the machine is behind with mail that could leave") {
  using std::chrono::microseconds;
  struct Row {
    const char* name;
    Pressure now;
    std::chrono::microseconds pause;
  };
  for (const Row& row : {
           Row{"nothing waits", {0, 20, 60}, microseconds(0)},
           Row{"others are slow, not we", {50000, 20, 14}, microseconds(0)},
           Row{"a lone session", {50000, 1, 60}, microseconds(0)},
           Row{"a little", {80, 20, 40}, microseconds(2000)},
           Row{"much", {350, 20, 40}, microseconds(20000)},
           Row{"more", {50000, 500, 40}, microseconds(20000)},
           Row{"few sessions wait less", {50000, 3, 40}, microseconds(3000)},
       }) {
    CAPTURE(row.name);
    REQUIRE(commit_pause(row.now) == row.pause);
  }
}

TEST_CASE("admission") {
  AdmissionFacts facts;
  facts.message_size = 50 << 20;
  REQUIRE(decide_admission(facts).accepting);
  facts.disk = {1ULL << 30, 100ULL << 30, true};
  REQUIRE(decide_admission(facts).accepting);
  facts.disk.free_bytes = 200 << 20;
  ipc::Admission low = decide_admission(facts);
  REQUIRE_FALSE(low.accepting);
  REQUIRE(low.refusal.one_line().substr(0, 9) == "452 4.3.1");
  facts.disk = {60 << 20, 256 << 20, true};  // a small disk: a tenth is enough
  REQUIRE(decide_admission(facts).accepting);
  facts.store_full = true;
  REQUIRE(decide_admission(facts).refusal.code == 452);
  facts.store_full = false;
  facts.wal_bytes = kWalStopBytes + 1;
  REQUIRE(decide_admission(facts).refusal.code == 451);
  facts.wal_bytes = 0;
  REQUIRE(decide_admission(facts).accepting);
  facts.disk.free_names = 10;
  REQUIRE(decide_admission(facts).refusal.code == 452);
}

TEST_CASE("kind 2: with no byte free mail leaves, or the reason is said") {
  AdmissionFacts facts;
  facts.disk = {0, 100ULL << 30, true};
  facts.log_reserved = true;
  REQUIRE(may_deliver(facts));
  facts.store_full = true;  // what cannot be written waits, and the journal knows the delivered
  REQUIRE(may_deliver(facts));
  facts.unrecorded = kUnrecordedMax;
  REQUIRE_FALSE(may_deliver(facts));
  REQUIRE(standstill(facts).find("free some space") != std::string::npos);
  facts.unrecorded = 0;
  facts.log_reserved = false;
  REQUIRE_FALSE(may_deliver(facts));
  REQUIRE(standstill(facts).find("0 bytes free") != std::string::npos);
  facts.disk.free_bytes = outcome_reserve(facts.disk.total_bytes);
  REQUIRE(may_deliver(facts));
  facts.stopping = true;
  REQUIRE_FALSE(may_deliver(facts));
  // The reserves fit beside each other even on a small disk.
  for (std::uint64_t total : {64ULL << 20, 1ULL << 30, 1ULL << 40})
    REQUIRE(log_reserve(total) + Ballast::size_for(total) + outcome_reserve(total) <
            disk_floor(50ULL << 20, total));
}

TEST_CASE("kind 2: the ballast is not made where the disk has no names for files left") {
  AdmissionFacts facts;
  facts.disk = {80ULL << 30, 100ULL << 30, true};
  REQUIRE(room_for_ballast(facts, 64U << 20));
  facts.disk.free_names = kNamesKept;
  REQUIRE(room_for_ballast(facts, 64U << 20));
  facts.disk.free_names = kNamesKept - 1;
  REQUIRE_FALSE(room_for_ballast(facts, 64U << 20));
  REQUIRE(may_deliver(facts));  // outcomes need no names
}

TEST_CASE("filters of queue commands") {
  StoredMessage message{test::make_message(42, {}).info, {}};
  StoredRecipient r;
  r.recipient.address = mail::Address::from_text("User@Sub.Example.org");
  message.recipients.push_back(r);
  auto matches = [&](auto set, Duration age = 0ms) {
    ListFilter filter;
    set(filter);
    return filter.matches(message.info, at(0) + age) && filter.matches(message.recipients[0]);
  };
  REQUIRE(matches([](ListFilter&) {}));
  REQUIRE(matches([](ListFilter& f) { f.domain = "sub.example.org"; }));
  REQUIRE_FALSE(matches([](ListFilter& f) { f.domain = "example.org"; }));
  REQUIRE(matches([](ListFilter& f) { f.domain = ".example.org"; }));
  REQUIRE(matches([](ListFilter& f) { f.recipient = "user@sub.example.org"; }));
  REQUIRE(matches([](ListFilter& f) { f.recipient = "@SUB.example.org"; }));
  REQUIRE(matches([](ListFilter& f) { f.sender = "SENDER@example.com"; }));
  REQUIRE_FALSE(matches([](ListFilter& f) { f.sender = "<>"; }));
  REQUIRE_FALSE(matches([](ListFilter& f) { f.older = 2h; }, 1h));
  REQUIRE(matches([](ListFilter& f) { f.older = 2h; }, 3h));
  REQUIRE_FALSE(matches([](ListFilter& f) { f.id = mail::QueueId{43}; }));
  REQUIRE(shown_state(r, true) == ShownState::active);
  REQUIRE(shown_state(r, false) == ShownState::queued);
  REQUIRE(parse_duration("90s") == 90s);
  REQUIRE(parse_duration("2h") == 2h);
  REQUIRE_FALSE(parse_duration("2x").has_value());
  REQUIRE_FALSE(parse_duration("h").has_value());
}

TEST_CASE("what a recipient was told to be is believed for a while") {
  RecipientCache cache;
  const mail::Address anna = mail::Address::from_text("\"Anna\"@Example.ORG");
  std::string key = RecipientCache::key_of(anna);
  REQUIRE(key == "anna@example.org");
  auto state = [&](Duration age) {
    auto found = cache.find(key, at(0) + age);
    return !found ? "unknown" : !found->check->good ? "bad" : found->fresh ? "good" : "stale";
  };
  REQUIRE(state(0ms) == std::string("unknown"));
  REQUIRE(cache.put({key, true, {250, {2, 1, 5}, "ok"}, at(0)}));
  REQUIRE(state(23h) == std::string("good"));
  REQUIRE(state(25h) == std::string("stale"));
  REQUIRE(state(24h * 7) == std::string("unknown"));
  REQUIRE(state(-25h) == std::string("unknown"));  // from a future that was set back
  // The same again is news for the disk once an hour; the contrary is at once.
  REQUIRE_FALSE(cache.put({key, true, {}, at(0) + 59min}));
  REQUIRE(cache.put({key, true, {}, at(0) + 61min}));
  REQUIRE(cache.put({key, false, {550, {5, 1, 1}, "gone"}, at(0) + 62min}));
  REQUIRE(state(63min) == std::string("bad"));
  REQUIRE(state(62min + 1h) == std::string("unknown"));
  for (std::size_t i = 0; i < kRecipientsKnownMax + 10; ++i)
    cache.put({std::to_string(i) + "@example.org", true, {}, at(0) + 2h});
  REQUIRE(cache.size() == kRecipientsKnownMax);
}

TEST_CASE("what outcomes say of a recipient") {
  using mail::Blame;
  using mail::Disposition;
  using mail::Stage;
  const mail::Address anna = mail::Address::from_text("anna@example.org");
  auto said = [&](Disposition disposition, Stage stage, Blame blame, int code) {
    mail::Outcome outcome;
    outcome.disposition = disposition;
    outcome.stage = stage;
    outcome.blame = blame;
    outcome.reply = {code, {}, "words\nmore"};
    auto check = check_of(anna, outcome, at(0));
    return !check ? std::string("nothing") : reply_of(*check).one_line();
  };
  REQUIRE(said(Disposition::delivered, Stage::rcpt, Blame::nobody, 250) == "250 2.1.5 Ok");
  REQUIRE(said(Disposition::delivered, Stage::final_reply, Blame::nobody, 250) == "250 2.1.5 Ok");
  REQUIRE(said(Disposition::failed, Stage::rcpt, Blame::recipient, 550).substr(0, 41) ==
          "550 5.1.1 Recipient address rejected: wor");
  REQUIRE(said(Disposition::failed, Stage::final_reply, Blame::recipient, 550) == "nothing");
  REQUIRE(said(Disposition::failed, Stage::mail, Blame::sender, 550) == "nothing");
  REQUIRE(said(Disposition::deferred, Stage::rcpt, Blame::recipient, 452) == "nothing");
  REQUIRE(said(Disposition::deferred, Stage::connect, Blame::destination, 0) == "nothing");
  // D4: what the next hop has against us says nothing of the recipient.
  auto refused = [&](int code, mail::EnhancedCode status) {
    mail::Outcome outcome;
    outcome.disposition = Disposition::failed;
    outcome.stage = Stage::rcpt;
    outcome.blame = Blame::recipient;
    outcome.reply = {code, status, "words"};
    return check_of(anna, outcome, at(0)).has_value();
  };
  REQUIRE_FALSE(refused(550, {5, 7, 1}));
  REQUIRE_FALSE(refused(554, {5, 7, 0}));
  REQUIRE_FALSE(refused(503, {5, 5, 1}));
  REQUIRE_FALSE(refused(530, {}));
  REQUIRE_FALSE(refused(503, {}));
  REQUIRE(refused(550, {5, 1, 1}));
  REQUIRE(refused(550, {5, 2, 1}));
  REQUIRE(refused(554, {}));
}

TEST_CASE("F4: what hosts were found unable to do is shown by destination, for a day") {
  LackingHosts lacking;
  mail::AbilitySet set;
  set.add(mail::Ability::chunking);
  lacking.note("mx:a", {"h:25", set}, at(0));
  lacking.note("mx:b", {"i:25", set}, at(0));
  lacking.note("mx:a", {"none:25", {}}, at(0));
  lacking.note("mx:a", {std::string(1000, 'x'), set}, at(0));
  REQUIRE(lacking.of("mx:a", at(0)) == std::vector<mail::HostLacks>{{"h:25", set}});
  REQUIRE(lacking.of("mx:", at(0)).empty());
  REQUIRE(lacking.of("mx:a", at(0) + 25h).empty());
  for (std::size_t i = 0; i < kLackingHostsMax + 10; ++i)
    lacking.note("mx:c", {std::to_string(i), set}, at(0));
  REQUIRE(lacking.of("mx:c", at(0)).size() == kLackingHostsMax - 2);
  lacking.note("mx:d", {"new:25", set}, at(0) + 25h);  // the old ones make room
  REQUIRE(lacking.of("mx:d", at(0) + 25h).size() == 1);
}

TEST_CASE("notices of one message wait for each other, but not long") {
  NoticeGather gather;
  auto moment = [](int ms) { return MonoTime(Duration(ms)); };
  auto add = [&](std::uint64_t id, std::uint32_t index, int ms) {
    RecipientChange change;
    change.index = index;
    gather.add(mail::QueueId{id}, std::move(change), {index, Event::failed, {}}, moment(ms));
  };
  REQUIRE(gather.empty());
  add(1, 0, 100);
  add(1, 4, 900);
  add(2, 0, 800);
  REQUIRE(gather.holds(mail::QueueId{1}));
  REQUIRE_FALSE(gather.holds(mail::QueueId{3}));
  REQUIRE(gather.over(moment(100) + kGatherFailed - 1ms).empty());
  REQUIRE(gather.over(moment(100) + kGatherFailed) == std::vector{mail::QueueId{1}});
  REQUIRE(gather.over(moment(900) + kGatherFailed).size() == 2);
  auto first = gather.take(mail::QueueId{1});
  REQUIRE(first.has_value());
  REQUIRE(first->settlement.id == mail::QueueId{1});
  REQUIRE(first->settlement.changes.size() == 2);
  REQUIRE(first->events[1].index == 4);
  REQUIRE_FALSE(gather.take(mail::QueueId{1}).has_value());
  REQUIRE_FALSE(gather.empty());
}

TEST_CASE("D6: warnings of one message wait longer for each other than failures do") {
  NoticeGather gather;
  MonoTime start(Duration(1000));
  for (int i = 0; i < 40; ++i) {
    RecipientChange change;
    change.index = static_cast<std::uint32_t>(i);
    MonoTime now = start + i * 1s;
    REQUIRE(gather.over(now).empty());
    gather.add(mail::QueueId{1}, std::move(change),
               {static_cast<std::uint32_t>(i), Event::delayed, {}}, now);
  }
  RecipientChange change;
  change.index = 40;
  gather.add(mail::QueueId{1}, std::move(change), {40, Event::failed, {}}, start + 40s);
  REQUIRE(gather.over(start + 40s + kGatherFailed).size() == 1);  // not as long as the warnings
  REQUIRE(gather.take(mail::QueueId{1})->events.size() == 41);
}

TEST_CASE("D7: a report whose null sender is refused waits instead of being dropped") {
  MessageInfo message = test::make_message(5, {}).info;
  std::vector<Duration> list = {1min};
  RetryRules rules{{48h, std::nullopt}, &list, 0, false};
  mail::Outcome outcome;
  outcome.disposition = mail::Disposition::failed;
  outcome.stage = mail::Stage::mail;
  outcome.blame = mail::Blame::sender;
  outcome.reply = {501, {5, 1, 7}, "Invalid MAIL FROM address"};
  message.arrival.received_at = at(0);
  REQUIRE(judge(message, {}, outcome, rules, at(1000)).change.kind == ChangeKind::remove);
  message.envelope.reverse_path = mail::Address();
  Verdict verdict = judge(message, {}, outcome, rules, at(1000));
  REQUIRE(verdict.change.kind == ChangeKind::defer);
  REQUIRE(verdict.change.last.reply.code == 501);
  verdict = judge(message, {}, outcome, rules, at(0) + 49h);
  REQUIRE(verdict.event == Event::expired);
  outcome.stage = mail::Stage::rcpt;  // the mailbox is a verdict on this report
  outcome.blame = mail::Blame::recipient;
  REQUIRE(judge(message, {}, outcome, rules, at(1000)).event == Event::failed);
}
