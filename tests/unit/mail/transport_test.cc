// How next hops are reached: hosts with weights, and policies of MTA-STS (RFC 8461).
#include <catch2/catch.hpp>

#include "common/mail/address_pattern.h"
#include "common/mail/sts_policy.h"
#include "common/mail/transport.h"

using namespace postwain;
using namespace postwain::mail;

TEST_CASE("hosts with weights") {
  auto hop = NextHop::parse("smtp:a.example:587/3,[192.0.2.1]:25/1");
  REQUIRE(hop);
  CHECK(hop->weighted());
  CHECK(hop->hosts[0].weight == 3);
  CHECK(hop->hosts[1].host == "192.0.2.1");
  CHECK(hop->key() == "smtp:a.example:587/3,[192.0.2.1]:25/1");
  CHECK_FALSE(NextHop::parse("lmtp:unix:/run/store/1")->weighted());
  for (const char* bad : {"smtp:a:25/0", "smtp:a:25/1001", "smtp:a:25/x", "smtp:a:25/1,b:25",
                          "smtp:a:25,b:25/1", "smtp:a:25/"}) {
    CAPTURE(bad);
    std::string why;
    CHECK_FALSE(NextHop::parse(bad, &why));
    CHECK(why.find("weight") != std::string::npos);
  }
}

TEST_CASE("two approaches are the same when nothing differs") {
  Transport one;
  one.hop = *NextHop::parse("smtp:a:25");
  Transport other = one;
  CHECK(one == other);
  CHECK(one.key() == other.key());
  auto differs = [&](auto change) {
    Transport changed = one;
    change(changed);
    return !(changed == one) && changed.key() != one.key();
  };
  CHECK(differs([](Transport& a) { a.tls = TlsLevel::verify; }));
  CHECK(differs([](Transport& a) { a.require_tls = true; }));
  CHECK(differs([](Transport& a) { a.sources = {"192.0.2.1"}; }));
  CHECK(differs([](Transport& a) { a.avoid.add(Ability::chunking); }));
  CHECK(differs([](Transport& a) { a.fields.removed = {"X"}; }));
  CHECK(differs([](Transport& a) { a.fields.added = "X: 1\r\n"; }));
  CHECK(differs([](Transport& a) { a.sign = true; }));
  CHECK(differs([](Transport& a) { a.xforward = true; }));
  CHECK(differs([](Transport& a) { a.family = Family::ipv6; }));
  CHECK(differs([](Transport& a) { a.credential.kind = Credential::Kind::password; }));
  CHECK(differs([](Transport& a) { a.credential.secret = "x"; }));
  CHECK(differs([](Transport& a) { a.certificate.chain = "x"; }));
  CHECK(differs([](Transport& a) { a.fallback = NextHop::parse("smtp:b:25")->hosts; }));
  CHECK(differs([](Transport& a) { a.fallback_tls = TlsLevel::off; }));
}

TEST_CASE("the record of a policy") {
  CHECK(*sts_id({"v=STSv1; id=20160831085700Z;"}) == "20160831085700Z");
  CHECK(*sts_id({"v=spf1 -all", "v=STSv1;id=1"}) == "1");
  for (const std::vector<std::string>& none :
       std::vector<std::vector<std::string>>{{},
                                             {"v=spf1"},
                                             {"v=STSv1"},
                                             {"v=STSv1; id=a-b"},
                                             {"v=STSv1; id="},
                                             {"v=STSv1; id=1", "v=STSv1; id=2"},
                                             {"v=STSv2; id=1"},
                                             {"id=1; v=STSv1"},
                                             {"v=STSv1; id=" + std::string(33, '1')}})
    CHECK_FALSE(sts_id(none));
}

TEST_CASE("policies as they come") {
  std::string why;
  auto policy = parse_sts_policy(
      "version: STSv1\r\nmode: enforce\nmx: Mail.example.com\r\nmx: *.example.net\r\n"
      "max_age: 604800\r\nmode: none\r\nfuture: x\r\n\r\n",
      why);
  REQUIRE(policy);
  CHECK(policy->mode == StsPolicy::Mode::enforce);
  CHECK(policy->max_age == 604800);
  CHECK(policy->lists("mail.example.com"));
  CHECK(policy->lists("MX1.example.net"));
  CHECK_FALSE(policy->lists("a.mx1.example.net"));
  CHECK_FALSE(policy->lists("example.net"));
  CHECK_FALSE(policy->lists("other.example.com"));
  policy->fetched_at = from_unix_ms(1'000'000);
  CHECK(policy->fresh(from_unix_ms(1'000'000 + 604'799'999)));
  CHECK_FALSE(policy->fresh(from_unix_ms(1'000'000 + 604'800'000)));
  CHECK(parse_sts_policy("version: STSv1\nmode: none\nmax_age: 9999999999\n", why));
  const std::string good = "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 1\n";
  CHECK(parse_sts_policy(good, why));
  for (const std::string& bad :
       {std::string(), std::string("<html>\n"), "version: STSv2\n" + good.substr(15),
        std::string("version: STSv1\nmode: enforce\nmax_age: 1\n"),
        std::string("version: STSv1\nmode: maybe\nmx: a\nmax_age: 1\n"),
        std::string("version: STSv1\nmode: enforce\nmx: a b\nmax_age: 1\n"),
        std::string("version: STSv1\nmode: enforce\nmx: a\nmax_age: soon\n"),
        std::string("version: STSv1\nmode: enforce\nmx: a.*\nmax_age: 1\n"),
        good + std::string(kStsTextMax, '\n')}) {
    why.clear();
    CHECK_FALSE(parse_sts_policy(bad, why));
    CHECK_FALSE(why.empty());
  }
}

TEST_CASE("patterns of addresses") {
  Address anna = Address::from_text("Anna@Mail.Example.org");
  for (const char* yes : {"*", "anna@mail.example.org", "mail.example.org", ".example.org"})
    CHECK(matches_address(yes, anna));
  for (const char* no : {"<>", "example.org", ".mail.example.org", "ben@mail.example.org", ""})
    CHECK_FALSE(matches_address(no, anna));
  CHECK(matches_address("<>", Address()));
  CHECK_FALSE(matches_address("example.org", Address()));
}

TEST_CASE("F4: what may be left out has one name each, and \"tls13\" besides") {
  for (unsigned i = 0; i < kAbilities; ++i) {
    auto ability = static_cast<Ability>(i);
    CHECK(parse_ability(name_of(ability)) == ability);
  }
  CHECK(parse_ability("tls13") == Ability::tls13);
  CHECK(parse_ability("CHUNKING") == Ability::chunking);
  CHECK_FALSE(parse_ability("starttls"));
  AbilitySet set;
  set.add(Ability::pipelining);
  set.add(Ability::tls13);
  CHECK(set.text() == "pipelining, tls1.3");
  CHECK(AbilitySet::from_bits(0xffff).list().size() == kAbilities);
  set.remove(Ability::pipelining);
  CHECK(AbilitySet::from_bits(set.bits()) == set);
}
