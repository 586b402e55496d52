#include "qmgr/model/list_filter.h"
#include "tests/unit/qmgr/support.h"

#include <functional>

#include <catch2/catch.hpp>

using namespace postwain;
using namespace postwain::qmgr;
using test::at;
using namespace std::chrono_literals;

namespace {

const WallTime kNow = from_unix_ms(1'763'717'400'000);

MessageInfo some_message() {
  MessageInfo info;
  info.id = mail::QueueId{77};
  info.envelope.reverse_path = mail::Address::from_text("Anna@sender.example");
  info.arrival.received_at = kNow - 2h;
  info.arrival.account = "anna";
  info.arrival.client_address = "2001:db8::7";
  info.size = 5000;
  info.traffic_class = TrafficClass::bulk;
  return info;
}

StoredRecipient some_recipient() {
  StoredRecipient r;
  r.recipient.address = mail::Address::from_text("bob@a.example");
  r.destination = "mx:a.example";
  r.attempts = 3;
  r.last.at = kNow - 1h;
  r.last.reply = {451, {4, 7, 1}, "Greylisted, try again later"};
  return r;
}

bool holds(const std::function<void(ListFilter&)>& set) {
  ListFilter filter;
  set(filter);
  CHECK_FALSE(filter.is_empty());
  return filter.matches(some_message(), kNow) && filter.matches(some_recipient());
}

}  // namespace

TEST_CASE("an empty filter means everything, and says that it is empty") {
  ListFilter filter;
  CHECK(filter.is_empty());
  CHECK(filter.matches(some_message(), kNow));
  CHECK(filter.matches(some_recipient()));
}

TEST_CASE("each condition holds where it should and nowhere else") {
  CHECK(holds([](auto& f) { f.older = 1h; }));
  CHECK_FALSE(holds([](auto& f) { f.older = 3h; }));
  CHECK(holds([](auto& f) { f.younger = 3h; }));
  CHECK_FALSE(holds([](auto& f) { f.younger = 1h; }));
  CHECK(holds([](auto& f) { f.account = "anna"; }));
  CHECK_FALSE(holds([](auto& f) { f.account = "ann"; }));
  CHECK(holds([](auto& f) { f.client = "2001:DB8::7"; }));
  CHECK_FALSE(holds([](auto& f) { f.client = "2001:db8::"; }));
  CHECK(holds([](auto& f) { f.route = "MX:a.example"; }));
  CHECK_FALSE(holds([](auto& f) { f.route = "mx:b.example"; }));
  CHECK(holds([](auto& f) { f.traffic_class = TrafficClass::bulk; }));
  CHECK_FALSE(holds([](auto& f) { f.traffic_class = TrafficClass::interactive; }));
  CHECK(holds([](auto& f) { f.larger = 4999; }));
  CHECK_FALSE(holds([](auto& f) { f.larger = 5000; }));
  CHECK(holds([](auto& f) { f.smaller = 5001; }));
  CHECK_FALSE(holds([](auto& f) { f.smaller = 5000; }));
  CHECK(holds([](auto& f) { f.attempts_min = 3; }));
  CHECK_FALSE(holds([](auto& f) { f.attempts_min = 4; }));
  CHECK(holds([](auto& f) { f.reply = "greylisted"; }));
  CHECK(holds([](auto& f) { f.reply = "451 4.7.1"; }));
  CHECK_FALSE(holds([](auto& f) { f.reply = "mailbox full"; }));
  CHECK(holds([](auto& f) { f.sender = "@sender.example"; }));
  CHECK_FALSE(holds([](auto& f) { f.sender = "<>"; }));
  CHECK(holds([](auto& f) { f.state = ShownState::deferred; }));
  CHECK_FALSE(holds([](auto& f) { f.in_doubt = true; }));
}

TEST_CASE("receive 2: filters know a domain in both spellings") {
  StoredRecipient r = some_recipient();
  const char* spellings[] = {"b\u00fccher.example", "B\u00dcCHER.example", "xn--bcher-kva.example"};
  for (const char* written : spellings)
    for (const char* wanted : spellings) {
      r.recipient.address = mail::Address("info", written);
      ListFilter by_domain;
      by_domain.domain = wanted;
      CHECK(by_domain.matches(r));
      ListFilter by_address;
      by_address.recipient = std::string("Info@") + wanted;
      CHECK(by_address.matches(r));
      by_address.recipient = std::string("other@") + wanted;
      CHECK_FALSE(by_address.matches(r));
    }
}

TEST_CASE("who was never tried has no reply to look into") {
  ListFilter filter;
  filter.reply = "greylisted";
  StoredRecipient fresh = some_recipient();
  fresh.last.at = WallTime{};
  CHECK_FALSE(filter.matches(fresh));
}

TEST_CASE("classes by name") {
  for (TrafficClass one : {TrafficClass::interactive, TrafficClass::bulk, TrafficClass::bounce})
    CHECK(parse_traffic_class(name_of(one)) == one);
  CHECK_FALSE(parse_traffic_class("fast"));
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
