// The syntax of SPF records: what is one, and which mistakes are found before anything is asked.
#include <catch2/catch.hpp>

#include "common/authentication/spf/ip_address.h"
#include "common/authentication/spf/record.h"

using namespace postwain;
using namespace postwain::authentication::spf;

TEST_CASE("what is an SPF record") {
  CHECK(is_record("v=spf1"));
  CHECK(is_record("V=SpF1 -all"));
  CHECK(is_record("v=spf1 "));
  CHECK_FALSE(is_record("v=spf10"));
  CHECK_FALSE(is_record("v=spf1\t-all"));
  CHECK_FALSE(is_record(" v=spf1"));
  CHECK_FALSE(is_record("v=spf"));
  CHECK_FALSE(is_record(""));
}

TEST_CASE("records without a mistake") {
  const std::string good[] = {
      "v=spf1",
      "v=spf1   ",
      "v=spf1  a   mx -all  ",
      "v=spf1 +A ?Mx ~PTR -EXISTS:%{i}.a.example Include:a.example ALL",
      "v=spf1 a/0 a//0 a/32//128 a:b.example/24//64 mx:%{d}/8 mx//0",
      "v=spf1 ip4:192.0.2.1 ip4:192.0.2.0/0 ip6::: ip6:2001:DB8::1/128 ip6:::1.2.3.4/0",
      "v=spf1 redirect=a.example",
      "v=spf1 REDIRECT=%{d}.a.example exp=b.example EXPX=1 exp.a=2",
      "v=spf1 x=a x=b x= y-._9=%{d}%% -all",
      "v=spf1 op=/:@!",
      "v=spf1 ptr:a/b.example",
  };
  for (const std::string& text : good) {
    INFO(text);
    auto record = Record::read(text);
    CHECK((record ? "" : record.error().text) == "");
  }
}

TEST_CASE("records with a mistake, and its words") {
  struct Case {
    std::string terms;
    std::string error;
  };
  const Case cases[] = {
      {"ip4:192.0.2.1 -all moo", "no mechanism: moo"},
      {"-all:x", "\"all\" takes nothing: -all:x"},
      {"all/8", "not understood: all/8"},
      {"all.", "no mechanism: all."},
      {"include", "without a domain: include"},
      {"include:", "no domain: include:"},
      {"include:a.example/24", "no domain: include:a.example/24"},
      {"exists", "without a domain: exists"},
      {"exists/8", "not understood: exists/8"},
      {"a:", "no domain: a:"},
      {"a/", "not understood: a/"},
      {"a/33", "no prefix length: a/33"},
      {"a//129", "no prefix length: a//129"},
      {"a/024", "no prefix length: a/024"},
      {"a/24/64", "no prefix length: a/24/64"},
      {"a///24", "not understood: a///24"},
      {"a/99999999999999999999", "no prefix length: a/99999999999999999999"},
      {"a:192.0.2.1", "no domain: a:192.0.2.1"},
      {"mx:a.example:25", "no domain: mx:a.example:25"},
      {"ptr/0", "not understood: ptr/0"},
      {"ip4", "no network: ip4"},
      {"ip4:", "no network: ip4:"},
      {"ip4:192.0.2", "no network: ip4:192.0.2"},
      {"ip4:192.0.02.1", "no network: ip4:192.0.02.1"},
      {"ip4:192.0.2.256", "no network: ip4:192.0.2.256"},
      {"ip4:192.0.2.1/", "no network: ip4:192.0.2.1/"},
      {"ip4:192.0.2.1/033", "no network: ip4:192.0.2.1/033"},
      {"ip4:192.0.2.1//32", "no network: ip4:192.0.2.1//32"},
      {"ip4:2001:db8::1", "no network: ip4:2001:db8::1"},
      {"ip6:192.0.2.1", "no network: ip6:192.0.2.1"},
      {"ip6:2001:db8::1/129", "no network: ip6:2001:db8::1/129"},
      {"ip6:1::2::3", "no network: ip6:1::2::3"},
      {"ip6:fe80::1%eth0", "no network: ip6:fe80::1%eth0"},
      {"redirect=", "no domain: redirect="},
      {"redirect:a.example", "no mechanism: redirect:a.example"},
      {"redirect=a.example redirect=a.example", "a second time: redirect=a.example"},
      {"exp=a.example EXP=b.example", "a second time: EXP=b.example"},
      {"exp=-all", "no domain: exp=-all"},
      {"exp=%{r}.example", "no domain: exp=%{r}.example"},
      {"x=%y", "no macro string: x=%y"},
      {"-x=y", "no mechanism: -x=y"},
      {"=x", "no mechanism: =x"},
      {"1x=y", "no mechanism: 1x=y"},
      {"*all", "no mechanism: *all"},
      {"--all", "no mechanism: --all"},
      {"-", "no mechanism: -"},
      {"a\tmx", "an octet that is no printable ASCII"},
      {"a:b\xc3\xbc.example", "an octet that is no printable ASCII"},
      {"x=" + std::string(kRecordMax, 'a'), "longer than 16384"},
  };
  for (const Case& one : cases) {
    INFO(one.terms.substr(0, 80));
    auto record = Record::read("v=spf1 " + one.terms);
    REQUIRE_FALSE(record);
    CHECK(record.error().text == one.error);
  }
}

TEST_CASE("directives one after the other, without the modifiers between them") {
  auto record =
      Record::read("v=spf1 x=1 ~a:b.example/24//64 redirect=c.example  ip6:2001:db8::/32 ");
  REQUIRE(record);
  std::size_t position = 0;
  auto first = record->next(position);
  REQUIRE(first);
  CHECK(first->text == "~a:b.example/24//64");
  CHECK(first->qualifier == Qualifier::softfail);
  CHECK(first->mechanism == Mechanism::a);
  CHECK(first->target == "b.example");
  CHECK(first->ipv4_bits == 24);
  CHECK(first->ipv6_bits == 64);
  auto second = record->next(position);
  REQUIRE(second);
  CHECK(second->mechanism == Mechanism::ip6);
  CHECK(second->ipv6_bits == 32);
  CHECK(second->network.text() == "2001:db8::");
  CHECK_FALSE(record->next(position));
  CHECK_FALSE(record->next(position));
  CHECK(record->redirect() == "c.example");
}

TEST_CASE("addresses and their networks") {
  auto within = [](const char* address, const char* network, unsigned bits) {
    return IpAddress::parse(address)->is_within(*IpAddress::parse(network), bits);
  };
  CHECK(within("192.0.2.3", "192.0.2.2", 31));
  CHECK_FALSE(within("192.0.2.3", "192.0.2.2", 32));
  CHECK(within("192.0.2.3", "203.0.113.1", 0));
  CHECK(within("192.0.2.3", "192.0.2.3", 999));
  CHECK(within("2001:db8:8000::1", "2001:db8:ffff::", 33));
  CHECK_FALSE(within("2001:db8:8000::1", "2001:db8:7fff::", 33));
  CHECK_FALSE(within("2001:db8::1", "192.0.2.1", 0));
  CHECK(within("::ffff:192.0.2.3", "192.0.2.3", 32));
  CHECK(IpAddress::parse("::ffff:192.0.2.3")->text() == "192.0.2.3");
  CHECK(IpAddress::parse("2001:DB8::CB01")->dotted() ==
        "2.0.0.1.0.D.B.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.C.B.0.1");
  for (const char* bad : {"", "192.0.2", "192.0.2.1 ", "[192.0.2.1]", "::g", "fe80::1%lo",
                          "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee"})
    CHECK_FALSE(IpAddress::parse(bad));
  CHECK_FALSE(IpAddress::parse(std::string_view("192.0.2.1\0x", 11)));
}
