#include <catch2/catch.hpp>

#include <string>

#include "common/smtp/syntax/address_syntax.h"
#include "common/smtp/syntax/domain_syntax.h"

using namespace postwain;
using smtp::PathKind;

namespace {

struct Row {
  const char* what;
  std::string path;
  const char* want;  // the address; nullptr: refused
};

const std::string k64(64, 'a');
const std::string k63(63, 'd');

const Row kForward[] = {
    {"plain", "<user@example.org>", "user@example.org"},
    {"letter case is kept", "<User@Example.ORG>", "User@Example.ORG"},
    {"all atext", "<!#$%&'*+-/=?^_`{|}~@x.org>", "!#$%&'*+-/=?^_`{|}~@x.org"},
    {"dots", "<a.b.c@x.org>", "a.b.c@x.org"},
    {"receive 15: leading dot", "<.a@x.org>", ".a@x.org"},
    {"receive 15: trailing dot", "<taro.@x.org>", "taro.@x.org"},
    {"receive 15: double dot", "<taro..yamada@x.org>", "taro..yamada@x.org"},
    {"nothing but dots", "<..@x.org>", nullptr},
    {"quoted", "<\"a b\"@x.org>", "\"a b\"@x.org"},
    {"quoted at", "<\"a@b\"@x.org>", "\"a@b\"@x.org"},
    {"quoted bracket", "<\"a>b\"@x.org>", "\"a>b\"@x.org"},
    {"quoted quote", "<\"a\\\"b\"@x.org>", "\"a\\\"b\"@x.org"},
    {"quoted backslash", "<\"a\\\\\"@x.org>", "\"a\\\\\"@x.org"},
    {"quoted empty", "<\"\"@x.org>", "\"\"@x.org"},
    {"quoted with control", "<\"a\tb\"@x.org>", nullptr},
    {"quoted with escaped control", "<\"a\\\tb\"@x.org>", nullptr},
    {"quote not closed", "<\"a@x.org>", nullptr},
    {"backslash at the end", "<\"a\\", nullptr},
    {"text behind quote", "<\"a\"b@x.org>", nullptr},
    {"no local part", "<@x.org>", nullptr},
    {"only at", "<@>", nullptr},
    {"no domain", "<user@>", nullptr},
    {"no at", "<user>", nullptr},
    {"two ats", "<a@b@c>", nullptr},
    {"null is no forward path", "<>", nullptr},
    {"postmaster", "<postmaster>", "postmaster"},
    {"Postmaster", "<PostMaster>", "PostMaster"},
    {"one label", "<a@localhost>", "a@localhost"},
    {"digits", "<a@127.0.0.1>", "a@127.0.0.1"},
    {"underscore in domain", "<a@my_host.x.org>", "a@my_host.x.org"},
    {"hyphen at edge", "<a@-x.org>", nullptr},
    {"hyphen at end", "<a@x-.org>", nullptr},
    {"receive 2: final dot", "<a@x.org.>", "a@x.org"},
    {"two final dots", "<a@x.org..>", nullptr},
    {"leading dot in domain", "<a@.x.org>", nullptr},
    {"empty label", "<a@x..org>", nullptr},
    {"bad character in domain", "<a@x!.org>", nullptr},
    {"IPv4 literal", "<a@[192.0.2.1]>", "a@[192.0.2.1]"},
    {"IPv4 literal too large", "<a@[192.0.2.256]>", nullptr},
    {"IPv4 literal too short", "<a@[192.0.2]>", nullptr},
    {"IPv6 literal", "<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"},
    {"IPv6 literal, mapped", "<a@[IPv6:::ffff:1.2.3.4]>", "a@[IPv6:::ffff:1.2.3.4]"},
    {"IPv6 literal with zone", "<a@[IPv6:fe80::1%eth0]>", nullptr},
    {"IPv6 without tag", "<a@[2001:db8::1]>", nullptr},
    {"name in brackets", "<a@[x.org]>", nullptr},
    {"unknown tag", "<a@[X400:foo]>", nullptr},
    {"bracket not closed", "<a@[192.0.2.1>", nullptr},
    {"source route", "<@a.org:user@x.org>", "user@x.org"},
    {"source route of two", "<@a.org,@b.org:user@x.org>", "user@x.org"},
    {"source route without mailbox", "<@a.org:>", nullptr},
    {"source route with bad domain", "<@a..org:user@x.org>", nullptr},
    {"source route without at", "<a.org:user@x.org>", nullptr},
    {"no brackets", "user@x.org", nullptr},
    {"open bracket only", "<user@x.org", nullptr},
    {"nested brackets", "<<user@x.org>>", nullptr},
    {"space inside", "<us er@x.org>", nullptr},
    {"UTF-8 local part", "<j\xC3\xB8rn@x.org>", "j\xC3\xB8rn@x.org"},
    {"UTF-8 domain", "<a@b\xC3\xBC.de>", "a@b\xC3\xBC.de"},
    {"broken UTF-8", "<a\xC3@x.org>", nullptr},
    {"empty", "", nullptr},
    {"receive 2: a name in UTF-8 that has no A-label", "<a@b\xC3\xBC\xE2\x82\xAC.de>", nullptr},
    {"label of 64", "<a@d" + k63 + ".org>", nullptr},
};

}  // namespace

TEST_CASE("forward paths", "[address]") {
  for (const Row& row : kForward) {
    INFO(row.what << ": " << row.path);
    auto parsed = smtp::parse_path(row.path, PathKind::forward);
    REQUIRE(parsed.has_value() == (row.want != nullptr));
    if (!parsed) continue;
    CHECK(parsed->address.text() == row.want);
    CHECK(parsed->size == row.path.size());
  }
}

TEST_CASE("reverse paths differ in the null path and in postmaster", "[address]") {
  auto null = smtp::parse_path("<> SIZE=1", PathKind::reverse);
  REQUIRE(null);
  CHECK(null->address.is_null());
  CHECK(null->size == 2);
  CHECK_FALSE(smtp::parse_path("<postmaster>", PathKind::reverse));
  CHECK(smtp::parse_path("<a@b>", PathKind::reverse)->address.domain() == "b");
}

TEST_CASE("receive 1: address lengths at their bounds", "[address]") {
  const std::string most(255, 'a');
  std::string domain = k63 + "." + k63 + "." + k63 + "." + k63;
  REQUIRE(domain.size() == 255);
  CHECK(smtp::parse_path("<" + most + "@" + domain + ">", PathKind::forward));
  CHECK(smtp::parse_path("<" + most + "@x.org>", PathKind::reverse));
  smtp::PathProblem problem{};
  CHECK_FALSE(smtp::parse_path("<" + most + "a@x.org>", PathKind::reverse, &problem));
  CHECK(problem == smtp::PathProblem::too_long);
  CHECK_FALSE(smtp::parse_path("<a@" + domain + "e>", PathKind::forward, &problem));
  CHECK(problem == smtp::PathProblem::too_long);
  CHECK(smtp::is_domain(k63 + "." + k63 + "." + k63 + "." + std::string(63, 'e')));
  CHECK_FALSE(smtp::is_domain(k63 + "." + k63 + "." + k63 + "." + std::string(63, 'e') + ".x"));
}

TEST_CASE("what stands behind a path is left alone", "[address]") {
  auto parsed = smtp::parse_path("<a@b> NOTIFY=NEVER", PathKind::forward);
  REQUIRE(parsed);
  CHECK(parsed->size == 5);
}

TEST_CASE("receive 14: what is wrong with a path is told", "[address]") {
  auto problem_of = [](const char* path) {
    smtp::PathProblem problem{};
    CHECK_FALSE(smtp::parse_path(path, PathKind::forward, &problem));
    return problem;
  };
  CHECK(problem_of("a@b") == smtp::PathProblem::no_brackets);
  CHECK(problem_of("<a@b") == smtp::PathProblem::no_brackets);
  CHECK(problem_of("<root>") == smtp::PathProblem::no_domain);
  CHECK(problem_of("<a@b >") == smtp::PathProblem::syntax);
  CHECK(problem_of("<a@b\xC3\xBC\xE2\x82\xAC.de>") == smtp::PathProblem::bad_name);
}

TEST_CASE("operate 32: addresses without brackets and domain", "[address]") {
  struct {
    const char* text;
    const char* want;
    std::size_t size;
  } rows[] = {
      {"raid@x.org SIZE=1", "raid@x.org", 10},
      {"raid@x.org", "raid@x.org", 10},
      {"<root> NOTIFY=NEVER", "root@lan.test", 6},
      {"ups", "ups@lan.test", 3},
      {"<a@b>", "a@b", 5},
      {"postmaster", "postmaster", 10},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    smtp::PathProblem problem{};
    auto parsed = smtp::parse_bare_path(row.text, PathKind::forward, "lan.test", &problem);
    REQUIRE(parsed);
    CHECK(parsed->address.text() == row.want);
    CHECK(parsed->size == row.size);
    CHECK(problem == smtp::PathProblem::none);
  }
  smtp::PathProblem problem{};
  CHECK(smtp::parse_bare_path("<>", PathKind::reverse, "lan.test", &problem)->address.is_null());
  for (const char* bad : {"", " ", "<", "<a", "a@", "@b", "<a b>"}) {
    INFO(bad);
    CHECK_FALSE(smtp::parse_bare_path(bad, PathKind::forward, "lan.test", &problem));
    CHECK(problem != smtp::PathProblem::none);
  }
}

TEST_CASE("receive 10: any hello is made harmless", "[address]") {
  CHECK(smtp::harmless_hello("host.example") == "host.example");
  CHECK(smtp::harmless_hello("") == "[unknown]");
  CHECK_FALSE(smtp::is_hello_name(smtp::harmless_hello("")));
  CHECK(smtp::harmless_hello("a\tb\x7F") == "a?b?");
  CHECK(smtp::harmless_hello("M\xC3\x9CLLER") == "M\xC3\x9CLLER");
  CHECK(smtp::harmless_hello("M\xC3LLER") == "M?LLER");
  CHECK(smtp::harmless_hello(std::string(999, 'x')).size() == 255);
  CHECK(smtp::hello_for_trace("[2001:db8::19]") == "[2001:db8::19]");
  CHECK(smtp::hello_for_trace("~^wildcard") == "~^wildcard");
  CHECK(smtp::hello_for_trace("x (authenticated as boss@example.org)\r\n by evil; date") ==
        "x??authenticated?as?boss?example.org????by?evil??date");
  CHECK(smtp::hello_for_trace("M\xC3\x9CLLER") == "M??LLER");
}

TEST_CASE("hello names", "[address]") {
  for (const char* good : {"example.org", "localhost", "a_b.example", "EXAMPLE.org.", "192.0.2.1",
                           "[192.0.2.1]", "[IPv6:::1]", "x"})
    CHECK(smtp::is_hello_name(good));
  for (const char* bad : {"", "a b", "-a", "[1.2.3]", "<x>", "a..b", ".", "b\xC3\xBC.de", "a;b"})
    CHECK_FALSE(smtp::is_hello_name(bad));
}
