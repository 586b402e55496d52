// The author domain, out of From fields as they come (RFC 5322 3.4, 4.4; RFC 6532; RFC 6854).
#include <catch2/catch.hpp>

#include "common/authentication/dmarc/author_domain.h"
#include "common/authentication/dmarc/domain_name.h"

using namespace postwain::authentication;

namespace {

// The domain, or the verdict in capitals.
std::string author(std::string_view value) {
  Author found = author_of_field(value);
  switch (found.verdict) {
    case AuthorVerdict::one:
      return found.domain;
    case AuthorVerdict::none:
      return "NONE";
    case AuthorVerdict::several:
      return "SEVERAL";
    case AuthorVerdict::unparsable:
      return "UNPARSABLE";
  }
  return "";
}

}  // namespace

TEST_CASE("author: one domain") {
  for (const char* value : {
           "a@x.example",
           " a@X.Example ",
           "<a@x.example>",
           "Alice <a@x.example>",
           "\"Alice, of X\" <a@x.example>",
           "\"a@evil.example\" <a@x.example>",
           "\"b@evil.example, c\" <a@x.example>",
           "\"\\\"<b@evil.example>\" <a@x.example>",
           "(b@evil.example) a@x.example",
           "a@x.example (b@evil.example)",
           "a@x.example (nested (b@evil.example) \\) \\( )",
           "Alice (comment) <a(b)@(c)x . example(d)>(e)",
           "=?utf-8?Q?Al=C3=ADce_=3Cb=40evil.example=3E?= <a@x.example>",
           "Alíce <a@x.example>",
           "Al\xED <a@x.example>",  // Latin-1, as old programs write it
           "ä@x.example",
           "\"a b\"@x.example",
           "\"a@b\"@x.example",
           "\"a\\\"b\"@x.example",
           "a.b . c@x.example",
           "a..b.@x.example",
           "J. R. Smith <a@x.example>",
           "[List] Alice <a@x.example>",
           "a@x.example, b@x.example",
           "a@x.example, Bob <b@X.EXAMPLE>, ,",
           ",,a@x.example",
           "Group: a@x.example, b@x.example;",
           "Group: Alice <a@x.example>;, b@x.example",
           "<@relay.example,@other.example:a@x.example>",
           "Alice\r\n <a@x.example>",
           "\"Alice\r\n of X\"\r\n\t<a@x.example>",
           "a@x.example.",
           "a@x.example <a@x.example>",
           "At @ Work <a@x.example>",
           "a@home <a@x.example>",
           "a@x.example, root",
       }) {
    INFO(value);
    CHECK(author(value) == "x.example");
  }
}

TEST_CASE("author: U-labels become A-labels") {
  CHECK(author("a@bücher.example") == "xn--bcher-kva.example");
  CHECK(author("ä <a@BÜCHER.example>") == "xn--bcher-kva.example");
  CHECK(author("a@xn--bcher-kva.example, b@bücher.example") == "xn--bcher-kva.example");
}

TEST_CASE("author: no domain") {
  for (const char* value : {"", " ", "<>", "root", "Group:;", "Undisclosed (hidden) :;",
                            "a@[192.0.2.1]", "<a@[IPv6:2001:db8::1]>", "(only a comment)", ","}) {
    INFO(value);
    CHECK(author(value) == "NONE");
  }
}

TEST_CASE("author: several domains") {
  for (const char* value :
       {"a@x.example, b@y.example", "Group: a@x.example, b@y.example;",
        "a@x.example, b@sub.x.example", "b@y.example <a@x.example>",
        "Bob b@y.example (c) <a@x.example>", "a@x.example,b@x.example,c@y.example"}) {
    INFO(value);
    CHECK(author(value) == "SEVERAL");
  }
}

TEST_CASE("author: no list of mailboxes") {
  for (const char* value : {"a@",
                            "@x.example",
                            "a@@x.example",
                            "a@x@y.example",
                            "a b@x.example",
                            "a@x y.example",
                            "<a@x.example",
                            "a@x.example>",
                            "<<a@x.example>>",
                            "<a@x.example> b",
                            "<a@x.example><b@x>",
                            "\"a@x.example",
                            "(a@x.example",
                            "a@x.example)",
                            "Group: a@x.example",
                            "a@x.example; b@x.example",
                            "A: B: a@x.example;;",
                            ": a@x.example;",
                            "a\\b@x.example",
                            "a@x..example",
                            "a@.x.example",
                            "a@x.example..",
                            "a@-ä-.example",
                            "a@x/y.example",
                            "a@\xFF.example",
                            "\xFF@x.example",
                            "a@x.example\x01",
                            "a\rb@x.example",
                            "a@x\nexample",
                            "<@relay.example a@x.example>",
                            "<:a@x.example>",
                            "a@[192.0.2.1",
                            "a@[x].example",
                            "John Doe",
                            "a@x\"y\".example"}) {
    INFO(value);
    CHECK(author(value) == "UNPARSABLE");
  }
  using namespace std::string_literals;
  CHECK(author("a@x.example\0"s) == "UNPARSABLE");
  CHECK(author("a@" + std::string(64, 'x') + ".example") == "UNPARSABLE");
  CHECK(author("a@" + std::string(63, 'x') + ".example") == std::string(63, 'x') + ".example");
}

TEST_CASE("author: bounds") {
  std::string hundred;
  for (std::size_t i = 0; i < kAuthorsMax; ++i) hundred += "a@x.example,";
  CHECK(author(hundred) == "x.example");
  CHECK(author(hundred + "a@x.example") == "UNPARSABLE");
  CHECK(author(std::string(kAuthorFieldMax, '(')) == "UNPARSABLE");
  CHECK(author(std::string(1000, '(') + std::string(1000, ')') + "a@x.example") == "x.example");
  CHECK(author(std::string(kAuthorFieldMax, ' ') + "a@x.example") == "UNPARSABLE");
}

TEST_CASE("author: the header section") {
  auto of = [](std::string_view header) {
    Author found = author_of(header);
    return found.verdict == AuthorVerdict::one ? found.domain : std::string(text_of(found.verdict));
  };
  CHECK(of("To: b@y.example\r\nfrom : Alice\r\n <a@x.example>\r\nSubject: From: c@z.example\r\n") ==
        "x.example");
  CHECK(of("To: b@y.example\r\n") == "no author domain");
  CHECK(of("") == "no author domain");
  CHECK(of("From: a@x.example\r\nFROM: a@x.example\r\n") == "several author domains");
  CHECK(of("From: a@x.example\r\n\r\nFrom: b@y.example\r\n") == "x.example");
  CHECK(of("From b@y.example Mon Nov 30\r\nFrom: a@x.example\r\n") == "x.example");
  CHECK(of("X-From: b@y.example\r\nResent-From: b@y.example\r\nFrom:a@x.example") == "x.example");
  CHECK(of("From: a@x.example b\r\n") == "a From field that cannot be parsed");
}

TEST_CASE("canonical domains") {
  CHECK(canonical_domain("X.Example.") == "x.example");
  CHECK(canonical_domain("_x.example") == "_x.example");
  CHECK(canonical_domain("localhost") == "localhost");
  for (const char* bad : {"", ".", "x..example", ".x", "x y", "[192.0.2.1]", "x\xFF", "xä y"})
    CHECK_FALSE(canonical_domain(bad));
  CHECK_FALSE(canonical_domain(std::string(2000, 'x')));
  std::string long_name;
  for (int i = 0; i < 127; ++i) long_name += "a.";
  CHECK(canonical_domain(long_name));  // 253 octets and the final dot
  CHECK_FALSE(canonical_domain("b" + long_name));
  CHECK(is_same_or_below("a.x.example", "x.example"));
  CHECK(is_same_or_below("x.example", "x.example"));
  CHECK_FALSE(is_same_or_below("ax.example", "x.example"));
  CHECK_FALSE(is_same_or_below("example", "x.example"));
}

TEST_CASE("author: the addresses of all fields of a name") {
  struct Row {
    const char* header;
    const char* want;
  };
  const Row rows[] = {
      {"From: a@x.example\r\n", "a@x.example "},
      {"Subject: x\r\n", ""},
      {"From: A <a@X.Example>, \"b c\"@y.example\r\n\t, <d@z.example>\r\n",
       "a@x.example \"b c\"@y.example d@z.example "},
      {"from: a@x.example\r\nTo: t@x.example\r\nFROM : b@x.example\r\n",
       "a@x.example b@x.example "},
      {"From: boss@x.example <a@x.example>\r\n", "boss@x.example a@x.example "},
      {"From: the.big.boss@x.example <a@x.example>\r\n", "the.big.boss@x.example a@x.example "},
      {"From: \"boss@x.example\" <a@x.example>\r\n", "a@x.example "},
      {"From: Team: a@x.example, b@x.example;\r\n", "a@x.example b@x.example "},
      {"From: root\r\n", "root "},
      {"From: a . b @ x . example (c)\r\n", "a.b@x.example "},
      {"From: a@[192.0.2.1]\r\n", "a@[192.0.2.1] "},
      {"From: nobody:;\r\n", ""},
      {"From: a@x.example (\r\n", "UNPARSABLE"},
      {"From: a@x.example\r\nFrom: <\r\n", "UNPARSABLE"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.header);
    auto found = addresses_in(row.header, "From");
    std::string text = found ? "" : "UNPARSABLE";
    if (found)
      for (const postwain::mail::Address& one : *found) text += one.text() + " ";
    CHECK(text == row.want);
  }
  std::string many = "From: ";
  for (std::size_t i = 0; i <= kAuthorsMax; ++i) many += "a@x.example,";
  CHECK_FALSE(addresses_in(many + "a@x.example\r\n", "From"));
  CHECK_FALSE(addresses_in("From: a" + std::string(kAuthorFieldMax, ' ') + "\r\n", "From"));
}
