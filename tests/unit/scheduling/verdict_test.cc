// What the outcome of an attempt means for a recipient.
#include <catch2/catch.hpp>

#include "qmgr/verdicts/retry_policy.h"
#include "qmgr/verdicts/verdict.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using test::at;

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
