// What a recipient was told to be.
#include <catch2/catch.hpp>

#include "qmgr/intake/recipient_cache.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using test::at;

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
