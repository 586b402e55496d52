#include <catch2/catch.hpp>

#include "postwain/sendmail/address_list.h"

using namespace postwain;
using namespace postwain::tool;

namespace {

using Texts = std::vector<std::string>;

Texts addresses(std::string_view text) {
  std::string why;
  auto list = parse_address_list(text, &why);
  if (!list) return {"error: " + why};
  Texts out;
  for (const mail::Address& address : *list) out.push_back(address.text());
  return out;
}

}  // namespace

TEST_CASE("address lists of headers") {
  struct Row {
    const char* text;
    Texts want;
  } rows[] = {
      {"", {}},
      {" , ,", {}},
      {"a@b.org", {"a@b.org"}},
      {" a@b.org , c@d.org ", {"a@b.org", "c@d.org"}},
      {"root", {"root"}},
      {"root, postmaster", {"root", "postmaster"}},
      {"Anna Example <anna@b.org>", {"anna@b.org"}},
      {"\"Example, Anna\" <anna@b.org>, b@c.org", {"anna@b.org", "b@c.org"}},
      {"Anna M. Example <anna@b.org>", {"anna@b.org"}},
      {"=?utf-8?Q?J=C3=BCrgen?= <j@b.org>", {"j@b.org"}},
      {"J\xc3\xbcrgen <j\xc3\xbc@b\xc3\xbc.org>", {"j\xc3\xbc@b\xc3\xbc.org"}},
      {"<a@b.org>", {"a@b.org"}},
      {"<root>", {"root"}},
      {"a@b.org (a (nested\\) comment), c@d)", {"a@b.org"}},
      {"a (x) @ (y) b (z) . org", {"a@b.org"}},
      {"a . b @ c . org", {"a.b@c.org"}},
      {"\"a b\"@c.org", {"\"a b\"@c.org"}},
      {"\"a\\\"b@c\"@d.org", {"\"a\\\"b@c\"@d.org"}},
      {"a@[192.0.2.1]", {"a@[192.0.2.1]"}},
      {"a@[IPv6:2001:db8::1]", {"a@[IPv6:2001:db8::1]"}},
      {"A Group: a@b.org, C <c@d.org>;", {"a@b.org", "c@d.org"}},
      {"undisclosed-recipients:;", {}},
      {"g:;, a@b.org", {"a@b.org"}},
      {"g: a@b;, h: c@d; , e@f", {"a@b", "c@d", "e@f"}},
      {"<@x.org,@y.org:a@b.org>", {"a@b.org"}},
      {"a@b.org,\r\n\tc@d.org", {"a@b.org", "c@d.org"}},
      {"a@b.org, a@b.org", {"a@b.org", "a@b.org"}},
      {"a+tag=x@b.org", {"a+tag=x@b.org"}},
      // operate 20: semicolons, and the dot of the root
      {"a@b.org;", {"a@b.org"}},
      {"a@b.org; B <c@d.org>;e", {"a@b.org", "c@d.org", "e"}},
      {"a@b.org., c@d.org", {"a@b.org", "c@d.org"}},
      // mistakes
      {"a@", {"error: not an address: a @"}},
      {"@b.org", {"error: not an address: @ b . org"}},
      {"a@b@c", {"error: not an address: a @ b @ c"}},
      {"a b@c.org", {"error: not an address: a b @ c . org"}},
      {"a..b@c.org", {"error: not an address: a . . b @ c . org"}},
      {".a@c.org", {"error: not an address: . a @ c . org"}},
      {"Anna <a@b.org", {"error: '<' without '>'"}},
      {"Anna <>", {"error: an empty address <>"}},
      {"<a@b.org> c", {"error: text behind '>'"}},
      {"g: a@b.org", {"error: a group without ';'"}},
      {"\"abc", {"error: a quote that does not end"}},
      {"(abc", {"error: a comment that does not end"}},
      {"a@[1.2.3.4", {"error: '[' without ']'"}},
      {"a@b.org >", {"error: '>' in a wrong place"}},
      {"a\x01@b", {"error: a control character"}},
      {"\"a\r\nRCPT TO:<x@y>\"@b", {"error: a control character"}},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(addresses(row.text) == row.want);
  }
}

TEST_CASE("operate 16: one malformed address costs the others nothing") {
  struct Row {
    const char* text;
    Texts good;
    Texts bad;
  } rows[] = {
      {"bob@example.com, bad@@example.com", {"bob@example.com"}, {"bad@@example.com"}},
      {"a b c, d@e.org", {"d@e.org"}, {"a b c"}},
      {"x@y, Anna <a@b.org, c@d.org", {"x@y"}, {"Anna <a@b.org, c@d.org"}},
      {"<a@b.org> c; d@e.org", {"d@e.org"}, {"<a@b.org> c"}},
      {"g: a@b, @c; , d@e.org", {"a@b", "d@e.org"}, {"@c"}},
      {"a@b.org, \"never ends, c@d.org", {"a@b.org"}, {"\"never ends, c@d.org"}},
      {"a\x01z@b, c@d.org", {"c@d.org"}, {"a\x01z@b"}},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    AddressList list = read_address_list(row.text);
    Texts good;
    Texts bad;
    for (const mail::Address& one : list.addresses) good.push_back(one.text());
    for (const AddressList::Bad& one : list.bad) bad.push_back(one.text);
    CHECK(good == row.good);
    CHECK(bad == row.bad);
  }
}

TEST_CASE("operate 9: where a domain is missing") {
  struct Row {
    const char* text;
    const char* completed;
  } rows[] = {
      {"root (Cron Daemon)", "root@o.org (Cron Daemon)"},
      {"alice", "alice@o.org"},
      {"\"Bob\" <bob>", "\"Bob\" <bob@o.org>"},
      {"\"a b\", x@y.org, c . d", "\"a b\"@o.org, x@y.org, c . d@o.org"},
      {"undisclosed-recipients:;", "undisclosed-recipients:;"},
      {"g: a, b@c.org;", "g: a@o.org, b@c.org;"},
      {"not an address, a", "not an address, a@o.org"},
  };
  for (const Row& row : rows) {
    std::string text = row.text;
    std::vector<std::size_t> at = read_address_list(text).unqualified;
    for (std::size_t i = at.size(); i > 0; --i) text.insert(at[i - 1], "@o.org");
    CHECK(text == row.completed);
  }
}

TEST_CASE("deep comments and long lists end") {
  CHECK(addresses(std::string(1000000, '(')) == Texts{"error: a comment that does not end"});
  std::string many;
  for (int i = 0; i < 20000; ++i) many += "a@b.org,";
  CHECK(addresses(many).size() == 20000);
}
