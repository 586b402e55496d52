// What operators are told, and what their words do; by the rows of the review (operate 3, 21, 23,
// 26, 28).
#include <catch2/catch.hpp>

#include <map>

#include "common/base/sysexits.h"
#include "common/config/config.h"

#include "qmgr/control/json/queue_shape.h"
#include "qmgr/model/held_domains.h"
#include "qmgr/model/list_filter.h"
#include "qmgr/model/wait.h"
#include "qmgr/peers/peer_kinds.h"
#include "qmgr/routing/suspend_scope.h"
#include "qmgr/store/queue_counts.h"
#include "qmgr/verdicts/verdict.h"
#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;
using test::at;
using namespace std::chrono_literals;

namespace {

config::Route route_to(std::vector<std::string> match, const std::string& hop) {
  config::Route route;
  route.match = std::move(match);
  route.deliver = *mail::NextHop::parse(hop);
  return route;
}

// Whose smart host takes everything but one domain and mail for a store.
config::Config smart_host() {
  config::Config config;
  config.routes = {route_to({"store.test"}, "lmtp:unix:/run/store"), route_to({"by-mx.test"}, "mx"),
                   route_to({"*"}, "smtp:relay.provider.test:587"),
                   route_to({"slow.test"}, "smtp:192.0.2.9:25")};
  config.routes.back().recipients = 3;
  return config;
}

}  // namespace

TEST_CASE("operate 3: a word for a suspension means what it says, or is refused") {
  config::Config config = smart_host();
  Router router(config);
  SuspendScopes scopes(config, router, [](const std::string& key) { return key == "mx:old.test"; });
  struct {
    const char* word;
    const char* name;  // null: refused
    int code;
    const char* says;  // a part of what is answered
  } rows[] = {
      {"example.com", "domain:example.com", 0, "recipients in example.com"},
      {"Example.COM.", "domain:example.com", 0, "all other mail goes on"},
      {"domain:example.com", "domain:example.com", 0, "whatever its route"},
      {"domain:localhost", "domain:localhost", 0, "recipients in localhost"},
      {"b\xc3\xbc"
       "cher.test",
       "domain:xn--bcher-kva.test", 0, "recipients in"},
      {"[192.0.2.1]", "domain:[192.0.2.1]", 0, "recipients in"},
      {"smtp:relay.provider.test:587", "smtp:relay.provider.test:587", 0, "match = *"},
      {"lmtp:unix:/run/store", "lmtp:unix:/run/store", 0, "match = store.test"},
      {"smtp:192.0.2.9:25", "smtp:[192.0.2.9]:25 route=3", 0, "match = slow.test"},
      {"mx:by-mx.test", "mx:by-mx.test", 0, "everything that goes to mx:by-mx.test"},
      {"mx:old.test", "mx:old.test", 0, "everything"},
      // Larger than it looks, or nothing: what to type instead.
      {"relay.provider.test", nullptr, kExitUsage,
       "postwain queue suspend 'smtp:relay.provider.test:587'"},
      {"mx:example.com", nullptr, kExitNoInput,
       "goes to smtp:relay.provider.test:587. For mail to recipients in example.com alone type: "
       "postwain queue suspend domain:example.com"},
      {"no-such-thing", nullptr, kExitNoInput, "nothing is called 'no-such-thing'"},
      {"smtp:nowhere.test:25", nullptr, kExitNoInput, "no route leads there"},
      {"*", nullptr, kExitUsage, "more or less than one destination"},
      {".example.com", nullptr, kExitUsage, "more or less than one destination"},
      {"a@example.com", nullptr, kExitUsage, "postwain queue hold"},
      {"domain:not a domain", nullptr, kExitUsage, "is not a domain"},
      {"-x.test-", nullptr, kExitNoInput, "neither a domain nor a destination"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.word);
    Result<SuspendScope> found = scopes.find(row.word);
    REQUIRE(found.ok() == (row.name != nullptr));
    std::string said = found ? found->says : found.error().text;
    CHECK(said.find(row.says) != std::string::npos);
    if (found)
      CHECK(found->name == row.name);
    else
      CHECK(found.error().code == row.code);
  }
}

TEST_CASE("operate 3: resume ends what was named, and says what else is suspended") {
  config::Config config = smart_host();
  Router router(config);
  SuspendScopes scopes(config, router, [](const std::string&) { return true; });
  std::map<std::string, Suspension> suspended;
  suspended["domain:example.com"] = {};
  suspended["smtp:relay.provider.test:587"] = {};
  for (const char* word : {"example.com", "EXAMPLE.com", "domain:example.com"})
    CHECK(scopes.find_among(suspended, word).take() == "domain:example.com");
  CHECK(scopes.find_among(suspended, "smtp:relay.provider.test:587").take() ==
        "smtp:relay.provider.test:587");
  // The smart host is more than the domain: it is not ended by its name.
  Result<std::string> other = scopes.find_among(suspended, "anything.example");
  REQUIRE_FALSE(other.ok());
  CHECK(other.error().code == kExitNoInput);
  CHECK(other.error().text.find("postwain queue resume 'smtp:relay.provider.test:587'") !=
        std::string::npos);
  CHECK(scopes.find_among({}, "x.test").error().text == "x.test was not suspended; nothing is");
}

TEST_CASE("operate 3: what waits for a domain has a destination of its own, and one way") {
  std::string key = held_key("smtp:relay:587 route=2", "example.com");
  CHECK(key == "smtp:relay:587 route=2 domain=example.com");
  CHECK(held_domain(key) == "example.com");
  CHECK(unsplit_key(key) == "smtp:relay:587 route=2");
  for (const char* plain : {"mx:example.com", "lmtp:unix:/run/a domain=b/socket", "smtp:a:25",
                            "smtp:a:25 domain=", "discard"}) {
    CHECK(held_domain(plain).empty());
    CHECK(unsplit_key(plain) == plain);
  }
  CHECK(domain_of_scope("domain:example.com") == "example.com");
  CHECK(domain_of_scope("mx:example.com").empty());
  // Numbers do not tell it from the rest of its way.
  std::string buffer;
  CHECK(route_label_of("mx:a.test domain=a.test", buffer) == "mx");
  CHECK(route_label_of(key, buffer) == "smtp:relay:587 route=2");
  ListFilter filter;
  filter.route = "smtp:relay:587 route=2";
  StoredRecipient row;
  row.destination = key;
  CHECK(filter.matches(row));
}

TEST_CASE("operate 3: rows move to another destination, but not who is held or gone") {
  test::TempFolder folder;
  test::StoreUnderTest store(folder.db());
  store.put(test::make_message(100, {"a@x.test", "b@x.test", "c@x.test"}, "smtp:r:25"));
  Settlement hold;
  hold.id = mail::QueueId{100};
  RecipientChange change;
  change.index = 1;
  change.kind = ChangeKind::hold;
  hold.changes.push_back(std::move(change));
  store.settle(hold);
  std::vector<MovedRecipient> moved;
  for (std::uint32_t i : {0, 1, 7})
    moved.push_back({mail::QueueId{100}, i, "smtp:r:25 domain=x.test", at(0)});
  store.note({WaitingFact(MoveRecipients{moved})});
  auto message = store.message(100);
  std::vector<std::string> destinations;
  for (const StoredRecipient& r : message->recipients) destinations.push_back(r.destination);
  CHECK(destinations ==
        std::vector<std::string>{"smtp:r:25 domain=x.test", "smtp:r:25", "smtp:r:25"});
  CHECK(store.due("smtp:r:25 domain=x.test", at(1), 10).rows.size() == 1);
}

TEST_CASE("operate 21: why a recipient waits, until when, and never until a time gone by") {
  WallTime now = at(10'500);
  Wait breaker{WaitCause::breaker, "smtp:r:25", at(70'000), {}, "connection refused"};
  CHECK(breaker.words(now) == "smtp:r:25 could not be reached; one message tries it again at " +
                                  format_rfc3339(at(70'000)) + ": connection refused");
  CHECK(breaker.words(at(80'000)).find("tried with one message at a time") != std::string::npos);
  Wait suspension{WaitCause::suspension, "domain:x.test", WallTime::max(), "ann", "new disks"};
  CHECK(suspension.words(now) ==
        "domain:x.test is suspended until further notice by ann: new disks");
  Wait turn;
  turn.scope = "smtp:r:25";
  CHECK(turn.words(now) == "its turn at smtp:r:25, where 0 attempts run at the moment");
  turn.reason = rate_in_words("rate", 1, std::chrono::hours(1));
  CHECK(turn.words(now) ==
        "its turn at smtp:r:25, where 0 attempts run at the moment, and rate of its route allows 1 "
        "in 1h");

  StoredRecipient row;
  row.next_attempt_at = at(1000);
  CHECK(next_attempt(row, nullptr, now) == at(11'000));  // in whole seconds, and not before now
  CHECK(next_attempt(row, &breaker, now) == at(70'000));
  CHECK(next_attempt(row, &breaker, at(70'500)) == at(71'000));
  CHECK(next_attempt(row, &suspension, now) == WallTime{});
  row.next_attempt_at = at(90'000);
  CHECK(next_attempt(row, &breaker, now) == at(90'000));
  CHECK(next_attempt(row, nullptr, now) == at(90'000));
  row.state = RecipientState::held;
  CHECK(next_attempt(row, nullptr, now) == WallTime{});
}

TEST_CASE("operate 23: who is in a group of viewers may look, in the role of a command only") {
  daemon::Groups viewers = daemon::decode_groups(daemon::encode(daemon::Groups{4, 30}) + "x\n-1\n");
  CHECK(viewers == daemon::Groups{4, 30});
  CHECK(may_look(ipc::Role::control, {1000, 30}, viewers));
  CHECK(may_look(ipc::Role::control, {4}, viewers));
  CHECK_FALSE(may_look(ipc::Role::control, {1000, 27}, viewers));
  CHECK_FALSE(may_look(ipc::Role::control, {}, viewers));
  CHECK_FALSE(may_look(ipc::Role::control, {0}, {}));
  for (ipc::Role role : {ipc::Role::supervisor, ipc::Role::queue_import, ipc::Role::smtpd,
                         ipc::Role::smtp_client, ipc::Role::metrics})
    CHECK_FALSE(may_look(role, {4}, viewers));
}

TEST_CASE("operate 26: the queue by domain and age") {
  QueueShape shape(at(std::int64_t{10} * 3'600'000));
  auto ago = [](Duration age) { return at(std::int64_t{10} * 3'600'000) - age; };
  shape.add("a@one.test", ago(1min));
  shape.add("b@ONE.test.", ago(5min));
  shape.add("c@one.test", ago(6min));
  shape.add("d@two.test", ago(30h));
  shape.add("postmaster", ago(0min));
  shape.add("e@three.test", ago(-1min));  // a clock that was set back
  std::vector<ShapeRow> top = shape.top(2);
  REQUIRE(top.size() == 2);
  CHECK(top[0].domain == "one.test");
  CHECK(top[0].recipients == 3);
  CHECK(top[0].ages[0] == 1);
  CHECK(top[0].ages[1] == 2);
  CHECK(top[0].oldest == ago(6min));
  QueueShape::Rest rest = shape.rest(2);
  CHECK(rest.row.recipients == 2);
  CHECK(rest.domains == 2);
  CHECK(shape.all().recipients == 6);
  CHECK(shape.all().ages.back() == 1);
}

TEST_CASE("operate 26: a survey meets every recipient once, fresh or not, in windows of any size") {
  test::TempFolder folder;
  test::StoreUnderTest store(folder.db());
  for (std::uint64_t id = 1; id <= 300; ++id) {
    test::AsCompact as_compact(id % 3 == 0);
    std::vector<std::string> to;
    for (std::uint64_t i = 0; i <= id % 4; ++i)
      to.push_back("u" + std::to_string(id) + "-" + std::to_string(i) + "@x.test");
    store.put(test::make_message(id, to));
  }
  for (std::size_t rows : {std::size_t{1}, std::size_t{3}, std::size_t{10'000}}) {
    CAPTURE(rows);
    std::map<std::string, int> met;
    SurveyCursor cursor;
    std::size_t stretches = 0;
    for (bool more = true; more; ++stretches) {
      StoreResult<bool> went = store.walk().survey(
          cursor, mail::QueueId{290}, rows,
          [&](mail::QueueId, std::string_view address) { ++met[std::string(address)]; });
      REQUIRE(went.ok());
      more = *went;
      REQUIRE(stretches < 2000);
    }
    std::size_t wanted = 0;
    for (std::uint64_t id = 1; id <= 290; ++id) wanted += id % 4 + 1;
    CHECK(met.size() == wanted);
    for (const auto& [address, times] : met) CHECK(times == 1);
  }
}

TEST_CASE("operate 28: what our own processes say does not take the place of the last true reply") {
  MessageInfo message = test::make_message(5, {}).info;
  std::vector<Duration> list = {1min};
  RetryRules rules{{1h, std::nullopt}, &list, 0, false};
  LastOutcome before{at(500), mail::Stage::rcpt, {450, {4, 2, 0}, "mailbox busy"}, "mx.x.test"};
  RecipientFacts facts;
  facts.destination = "mx:x.test";
  facts.attempts = 1;
  facts.last = &before;
  mail::Outcome stop =
      mail::local_outcome(mail::Disposition::deferred, mail::Stage::local, mail::Blame::nobody,
                          {4, 3, 2}, "the delivery client is shutting down");
  Verdict verdict = judge(message, facts, stop, rules, at(1000));
  REQUIRE(verdict.change.kind == ChangeKind::defer);
  CHECK(verdict.change.attempts == 1);
  CHECK(verdict.change.last.reply.text == "mailbox busy");
  CHECK(verdict.change.last.at == at(500));
  // In the middle of a session it is the same; a true outcome is the new last one.
  stop.stage = mail::Stage::connect;
  stop.blame = mail::Blame::local;
  CHECK(judge(message, facts, stop, rules, at(1000)).change.last.reply.text == "mailbox busy");
  mail::Outcome told;
  told.disposition = mail::Disposition::deferred;
  told.stage = mail::Stage::rcpt;
  told.reply = {452, {4, 2, 2}, "full"};
  CHECK(judge(message, facts, told, rules, at(1000)).change.last.reply.text == "full");
  // Nothing is known: then it is all there is to be told. In doubt it has to be told as well.
  facts.last = nullptr;
  facts.attempts = 0;
  CHECK(judge(message, facts, stop, rules, at(1000)).change.last.reply.text ==
        "the delivery client is shutting down");
  facts.last = &before;
  facts.attempts = 1;
  stop.in_doubt = true;
  CHECK(judge(message, facts, stop, rules, at(1000)).change.last.reply.text != before.reply.text);
}
