#include <catch2/catch.hpp>

#include <string>

#include "common/smtp/address_syntax.h"
#include "common/smtp/domain_syntax.h"

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
    {"leading dot", "<.a@x.org>", nullptr},
    {"trailing dot", "<a.@x.org>", nullptr},
    {"double dot", "<a..b@x.org>", nullptr},
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
    {"final dot", "<a@x.org.>", nullptr},
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
    {"local part of 65", "<a" + k64 + "@x.org>", nullptr},
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

TEST_CASE("address lengths at their bounds", "[address]") {
  CHECK(smtp::parse_path("<" + k64 + "@x.org>", PathKind::forward));
  // 64 + "@" + 189 = 254 octets, 256 with brackets.
  std::string domain = k63 + "." + k63 + "." + std::string(61, 'e');
  REQUIRE(domain.size() == 189);
  CHECK(smtp::parse_path("<" + k64 + "@" + domain + ">", PathKind::forward));
  CHECK_FALSE(smtp::parse_path("<" + k64 + "@" + domain + "e>", PathKind::forward));
  CHECK(smtp::is_domain(k63 + "." + k63 + "." + k63 + "." + std::string(63, 'e')));
  CHECK_FALSE(smtp::is_domain(k63 + "." + k63 + "." + k63 + "." + std::string(63, 'e') + ".x"));
}

TEST_CASE("what stands behind a path is left alone", "[address]") {
  auto parsed = smtp::parse_path("<a@b> NOTIFY=NEVER", PathKind::forward);
  REQUIRE(parsed);
  CHECK(parsed->size == 5);
}

TEST_CASE("hello names", "[address]") {
  for (const char* good : {"example.org", "localhost", "a_b.example", "EXAMPLE.org.", "192.0.2.1",
                           "[192.0.2.1]", "[IPv6:::1]", "x"})
    CHECK(smtp::is_hello_name(good));
  for (const char* bad : {"", "a b", "-a", "[1.2.3]", "<x>", "a..b", ".", "b\xC3\xBC.de", "a;b"})
    CHECK_FALSE(smtp::is_hello_name(bad));
}
