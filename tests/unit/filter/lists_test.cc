// What lists answer, whether a list is believed, and what follows from the score.
#include <catch2/catch.hpp>

#include "filter/deciding/client_signs.h"
#include "filter/deciding/list_answer.h"
#include "filter/deciding/list_health.h"
#include "filter/deciding/stranger_score.h"

using namespace postwain;
using namespace postwain::filter;
using namespace std::chrono_literals;

namespace {

config::DnsList list_of(std::initializer_list<std::string_view> answers, std::int32_t weight = 3,
                        std::string zone = "zen.example") {
  config::DnsList out;
  out.zone = out.label = std::move(zone);
  out.weight = weight;
  for (std::string_view answer : answers)
    out.answers.push_back(*config::parse_answer_pattern(answer));
  return out;
}

std::string read_as(const config::DnsList& list, std::vector<std::string> addresses) {
  auto status = addresses.empty() ? dns::AnswerStatus::no_such_name : dns::AnswerStatus::ok;
  return std::string(name_of(read_list_answer(list, status, addresses)));
}

StrangerFacts facts_of(const std::string& address, const std::string& name = {},
                       const std::string& helo = "mail.example.org") {
  StrangerFacts out;
  out.address = address;
  out.name_state = name.empty() ? StrangerFacts::Name::unknown : StrangerFacts::Name::confirmed;
  out.name = name;
  out.helo = helo;
  return out;
}

}  // namespace

TEST_CASE("an answer of a list counts only if it is one of those that are to count") {
  config::DnsList list = list_of({"127.0.0.2-127.0.0.11", "127.0.1-2.5"});
  CHECK(read_as(list, {}) == "not_listed");
  CHECK(read_as(list, {"127.0.0.2"}) == "listed");
  CHECK(read_as(list, {"127.0.0.11"}) == "listed");
  CHECK(read_as(list, {"127.0.0.12"}) == "other");
  CHECK(read_as(list, {"127.0.2.5"}) == "listed");
  CHECK(read_as(list, {"127.0.3.5"}) == "other");
  CHECK(read_as(list, {"127.0.0.200", "127.0.0.4"}) == "listed");
  CHECK(name_of(read_list_answer(list, dns::AnswerStatus::temporary, {})) == "silent");
}

TEST_CASE("a list that does not serve us lists nobody") {
  config::DnsList all = list_of({"127.0-255.0-255.1-255"});
  for (const char* code : {"127.255.255.252", "127.255.255.254", "127.255.255.255", "127.0.0.1"})
    CHECK(read_as(all, {code}) == "refused");
  // A refusal beside an entry is a refusal.
  CHECK(read_as(all, {"127.0.0.2", "127.255.255.254"}) == "refused");
  // Of a list with good words an answer that means "you ask too much" is none.
  config::DnsList good = list_of({"127.0.0-255.0-255"}, -3, "list.dnswl.org");
  CHECK(read_as(good, {"127.0.0.255"}) == "refused");
  CHECK(read_as(good, {"127.0.10.3"}) == "refused");
  CHECK(read_as(good, {"127.0.10.2"}) == "listed");
  CHECK(read_as(list_of({"127.0.0-255.0-255"}, -3), {"127.0.10.3"}) == "listed");
}

TEST_CASE("a resolver that rewrites answers lists nobody") {
  config::DnsList list = list_of({"127.0.0.2-127.0.0.254"});
  for (const char* address : {"192.0.2.1", "10.0.0.1", "128.0.0.2", "nonsense", ""})
    CHECK(read_as(list, {address}) == "broken");
  CHECK(read_as(list, {"127.0.0.2", "198.51.100.7"}) == "broken");
}

TEST_CASE("lists are asked about addresses backwards, and about names as they are") {
  CHECK(list_question("zen.example", "192.0.2.99") == "99.2.0.192.zen.example");
  CHECK(list_question("zen.example", "2001:db8::1") ==
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.example");
  CHECK(list_question("zen.example", "nobody").empty());
  CHECK(name_question("dbl.example", "Bad.Example.") == "bad.example.dbl.example");
  for (const char* name :
       {"", "localhost", "[192.0.2.1]", "192.0.2.1", "a b.example", "x..example"})
    CHECK(name_question("dbl.example", name).empty());
  CHECK(name_question("dbl.example", std::string(60, 'a') + "." + std::string(60, 'b') + "." +
                                         std::string(60, 'c') + "." + std::string(60, 'd'))
            .empty());
}

TEST_CASE("what a list gives as its reason ends no reply") {
  CHECK(reason_text({}).empty());
  std::string text = reason_text({"see\r\n250 ok \xc3\xa4 \x01" + std::string(500, 'x')});
  CHECK(text.size() <= 210);
  for (char c : text) CHECK((c >= ' ' && c <= '~'));
}

TEST_CASE("a list counts when its test is passed, and not before or after") {
  using State = ListHealth::State;
  constexpr auto kListed = ListVerdict::listed;
  constexpr auto kNot = ListVerdict::not_listed;
  MonoTime now{};
  ListHealth list;
  CHECK(list.wants_test(now));
  CHECK((list.is_asked(now) && !list.is_believed() && list.is_awaited()));
  list.test_begins();
  CHECK_FALSE(list.wants_test(now));

  SECTION("good: the address of the one family is enough") {
    CHECK(list.tested({kListed, kNot}, {kNot, kNot}, now));
    CHECK((list.is_believed() && list.is_asked(now)));
    CHECK_FALSE(list.wants_test(now + 59min));
    CHECK(list.wants_test(now + 1h));
    // A lost test of a list that was good changes nothing.
    list.test_begins();
    CHECK_FALSE(list.tested({ListVerdict::silent}, {ListVerdict::silent}, now));
    CHECK(list.is_believed());
    CHECK(list.wants_test(now + 1min));
    // It refuses to serve us: 15 minutes without.
    CHECK(list.saw(ListVerdict::refused, now));
    CHECK((list.state() == State::refused && !list.is_believed() && !list.is_asked(now)));
    CHECK_FALSE(list.wants_test(now + 14min));
    CHECK(list.wants_test(now + 15min));
    list.test_begins();
    CHECK(list.tested({kListed}, {kNot}, now));
    CHECK(list.is_believed());
  }
  SECTION("closed: it lists everything") {
    CHECK(list.tested({kListed}, {kListed, kNot}, now));
    CHECK(list.state() == State::lists_all);
    CHECK_FALSE(list.is_asked(now));
    CHECK(list.wants_test(now + 1min));
  }
  SECTION("closed: it lists nothing") {
    CHECK(list.tested({kNot, kNot}, {kNot, kNot}, now));
    CHECK(list.state() == State::lists_none);
    CHECK_FALSE(list.is_believed());
  }
  SECTION("behind a resolver that rewrites") {
    CHECK(list.tested({kListed}, {ListVerdict::broken}, now));
    CHECK(list.state() == State::broken);
    CHECK_FALSE(list.is_believed());
  }
  SECTION("silent from the start") {
    CHECK(list.tested({ListVerdict::silent}, {ListVerdict::silent}, now));
    CHECK_FALSE((list.is_believed() || list.is_awaited() || list.is_asked(now)));
  }
  SECTION("a list of names has no entry that all such lists have") {
    CHECK(list.tested({}, {kNot}, now));
    CHECK(list.is_believed());
  }
}

TEST_CASE("names of home lines look like them") {
  for (const char* name : {"host-192-0-2-77.isp.example", "77.2.0.192.isp.example",
                           "dynamic-77.example", "p77.dip.isp.example", "c000024d.isp.example",
                           "x.pool.isp.example", "client-2-77.isp.example"})
    CHECK(looks_dynamic(name, "192.0.2.77"));
  for (const char* name : {"mail.example.org", "mx1.out.example.org", "a12-34.smtp-out.example",
                           "static-192-0-2-77.isp.example", "mail-192-0-2-77.big.example"})
    CHECK_FALSE(looks_dynamic(name, "192.0.2.77"));
}

TEST_CASE("hellos that no mail server says") {
  const std::string address = "192.0.2.7";
  for (const char* hello : {"", "localhost", "MX.US.EXAMPLE", "192.0.2.7", "[192.0.2.8]"})
    CHECK(is_odd_hello(hello, "mx.us.example", address));
  for (const char* hello : {"mail.example.org", "[192.0.2.7]"})
    CHECK_FALSE(is_odd_hello(hello, "mx.us.example", address));
  CHECK_FALSE(is_odd_hello("[IPv6:2001:db8::7]", "mx.us.example", "2001:db8:0::7"));
}

TEST_CASE("points are added up, good words too, and thresholds say what follows") {
  config::Strangers strangers;
  strangers.lists = {list_of({"127.0.0.2"}, 3), list_of({"127.0.0.2"}, -2, "good.example")};
  strangers.weights = {.no_name = 1, .forged_name = 2, .dynamic_name = 1, .helo = 1};
  strangers.greylist_at = 2;
  strangers.refuse_at = 5;
  auto sum = [&](const StrangerFacts& facts) {
    return score_of(strangers, "mx.us.example", facts).sum;
  };
  StrangerFacts facts = facts_of("192.0.2.7", "mail.example.org");
  CHECK(sum(facts) == 0);
  facts.listed = {0};
  CHECK(sum(facts) == 3);
  facts.listed = {0, 1};
  CHECK(sum(facts) == 1);
  facts = facts_of("192.0.2.7", {}, "localhost");
  CHECK(sum(facts) == 1);  // of a name the DNS has not told nothing follows
  facts.name_state = StrangerFacts::Name::none;
  CHECK(sum(facts) == 2);
  facts.name_state = StrangerFacts::Name::forged;
  CHECK(sum(facts) == 3);
  facts.talked_early = true;  // worth what refuses, where nothing is said
  CHECK(sum(facts) == 8);

  CHECK(verdict_of(strangers, 1) == StrangerVerdict::passes);
  CHECK(verdict_of(strangers, 2) == StrangerVerdict::greylist);
  CHECK(verdict_of(strangers, 5) == StrangerVerdict::refuse);
  strangers.greylist_at.reset();
  CHECK(verdict_of(strangers, 4) == StrangerVerdict::passes);
  strangers.greylist.everyone = true;
  CHECK(verdict_of(strangers, 0) == StrangerVerdict::greylist);
  CHECK(verdict_of(strangers, -1) == StrangerVerdict::passes);
  strangers.refuse_at.reset();
  CHECK(verdict_of(strangers, 1000) == StrangerVerdict::greylist);
}

TEST_CASE("a refusal names the lists and what else counted, and nothing that is a key") {
  config::Strangers strangers;
  strangers.lists = {list_of({"127.0.0.2"}, 3, "key.zen.example"), list_of({"127.0.0.2"}, 4, "b")};
  strangers.lists[0].label = "zen";
  strangers.weights.helo = 1;
  strangers.refuse_at = 5;
  StrangerFacts facts = facts_of("192.0.2.7", {}, "localhost");
  facts.listed = {0, 1};
  StrangerScore score = score_of(strangers, "mx.us.example", facts);
  CHECK(refusal_of(facts, score, "see https://zen.example").one_line() ==
        "550 5.7.1 Client [192.0.2.7] blocked by b, zen; it says hello like no mail server; see "
        "https://zen.example");
  CHECK(points_text(score) == "b 4, zen 3, helo 1");
  CHECK(greylisted(288).one_line() == "451 4.7.1 Greylisted, try again in 288 seconds");
  ipc::FilterJudgement judgement;
  note_score(strangers, score, judgement);
  CHECK(judgement.score == 8000);
  CHECK(judgement.score_limit == 5000);
  REQUIRE(judgement.scores.size() == 3);
  CHECK(judgement.scores[0].name == "b");
  facts.listed.clear();
  facts.talked_early = true;
  CHECK(refusal_of(facts, score_of(strangers, "mx.us.example", facts), {}).one_line() ==
        "550 5.7.1 Client [192.0.2.7] blocked; it talked before the greeting; it says hello like "
        "no mail server");
}

TEST_CASE("a client is remembered by its network, and by its owner if the DNS proves one") {
  using Names = std::vector<std::string>;
  CHECK(names_of(facts_of("192.0.2.7", "o7.ptr.sender.example")) ==
        Names{"4:2.0.192.in-addr.arpa", "@sender.example"});
  CHECK(names_of(facts_of("192.0.2.200")) == Names{"4:2.0.192.in-addr.arpa"});
  CHECK(names_of(facts_of("192.0.2.7", "host-192-0-2-7.isp.example")).size() == 1);
  CHECK(names_of(facts_of("2001:db8:1:2::7")) == names_of(facts_of("2001:db8:1:2:ffff::1")));
  CHECK(names_of(facts_of("2001:db8:1:2::7")) != names_of(facts_of("2001:db8:1:3::7")));
  CHECK(owner_domain("mx1.out.example.co.uk") == "example.co.uk");
  CHECK(owner_domain("localhost").empty());
}
