#include <catch2/catch.hpp>

#include "postwain/address_list.h"

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
      {"a@b.org;", {"error: ';' in a wrong place"}},
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

TEST_CASE("deep comments and long lists end") {
  CHECK(addresses(std::string(1000000, '(')) == Texts{"error: a comment that does not end"});
  std::string many;
  for (int i = 0; i < 20000; ++i) many += "a@b.org,";
  CHECK(addresses(many).size() == 20000);
}
