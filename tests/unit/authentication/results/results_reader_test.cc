// Fields of others, and those that claim to be ours (RFC 8601 2.2, 5).
#include <catch2/catch.hpp>

#include "common/authentication/results/results_reader.h"

using namespace postwain::authentication;
using namespace std::string_literals;

namespace {

std::string said(std::string_view value) {
  auto read = parse_results(value);
  if (!read) return "UNPARSABLE";
  std::string out = read->authserv_id;
  for (const MethodResult& result : read->results) {
    out += "; " + result.method + "=" + result.result;
    if (!result.comment.empty()) out += " (" + result.comment + ")";
    if (!result.reason.empty()) out += " reason=" + result.reason;
    for (const ResultProperty& property : result.properties)
      out += " " + property.type + "." + property.name + "=" + property.value;
  }
  return out;
}

std::string claim(std::string_view value, std::string_view id = "mx.example.org") {
  switch (claim_of(value, id)) {
    case ResultsClaim::none:
      return "none";
    case ResultsClaim::ours:
      return "ours";
    case ResultsClaim::unparsable:
      return "unparsable";
  }
  return "";
}

}  // namespace

// The fields of RFC 8601 appendix B, with their folds and comments.
TEST_CASE("results: the examples of RFC 8601") {
  CHECK(said(" example.org 1; none") == "example.org");
  CHECK(said(" example.com;\r\n          spf=pass smtp.mailfrom=example.net") ==
        "example.com; spf=pass smtp.mailfrom=example.net");
  CHECK(said(" example.com;\r\n auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n"
             " spf=pass smtp.mailfrom=example.net") ==
        "example.com; auth=pass (cram-md5) smtp.auth=sender@example.net; "
        "spf=pass smtp.mailfrom=example.net");
  CHECK(said(" example.com;\r\n dkim=pass reason=\"good signature\"\r\n"
             "   header.i=@mail-router.example.net;\r\n"
             " dkim=fail reason=\"bad signature\" header.i=@newyork.example.com") ==
        "example.com; dkim=pass reason=good signature header.i=@mail-router.example.net; "
        "dkim=fail reason=bad signature header.i=@newyork.example.com");
  CHECK(said(" foo.example.net (foobar) 1 (baz);\r\n"
             "    dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n"
             "    policy (A dot can go here) . (like that) expired\r\n"
             "    (this surprised me) = (as I wasn't expecting it) 1362471462") ==
        "foo.example.net; dkim=fail policy.expired=1362471462");
}

TEST_CASE("results: what others write") {
  CHECK(said("MX.example; SPF=Pass SMTP.MailFrom=A@x.example;") ==
        "MX.example; spf=pass smtp.mailfrom=A@x.example");
  CHECK(said("x; spf=none smtp.mailfrom=; dkim=none") == "x; spf=none smtp.mailfrom=; dkim=none");
  CHECK(said("x; dkim=pass header.b=AbC/d+e= header.i=\"a b\"@x.example") ==
        "x; dkim=pass header.b=AbC/d+e= header.i=\"a b\"@x.example");
  CHECK(said("\"x \\\"y\\\"\"; none (really)") == "x \"y\"");
  CHECK(said("x; iprev=pass policy.iprev=2001:db8::1 (host)") ==
        "x; iprev=pass policy.iprev=2001:db8::1");
  CHECK(said("x; none=pass") == "x; none=pass");
  CHECK(said("x; spf=pass smtp.mailfrom=\"a\\\r\n b\"@x.example") ==
        "x; spf=pass smtp.mailfrom=\"a\\ b\"@x.example");
  CHECK(said("x; spf=pass (a (nested) \\) one) (second)") == "x; spf=pass (a (nested) ) one)");
}

TEST_CASE("results: what cannot be parsed") {
  for (const char* value : {"",
                            " ",
                            ";",
                            "x",
                            "x;",
                            "x y; none",
                            "x 1 2; none",
                            "x; none; spf=pass",
                            "x; spf=pass; none",
                            "x; spf",
                            "x; spf=",
                            "x; spf=pass smtp",
                            "x; spf=pass smtp.=a",
                            "x; spf=pass smtp.mailfrom",
                            "x; spf=pass (open",
                            "x; spf=pass reason=\"open",
                            "x; spf=pass reason=",
                            "(open x; none",
                            "\"open; none",
                            "x, y; none",
                            "x; spf/=pass",
                            "x; spf=pass, dkim=pass",
                            "x;; spf=pass",
                            "x\r; none",
                            "x; spf=pass\x01",
                            "x\n; none",
                            "x; spf=pass a=b",
                            "<x>; none"}) {
    INFO(value);
    CHECK(said(value) == "UNPARSABLE");
  }
  CHECK(said("x; spf=pass smtp.mailfrom=a\0b"s) == "UNPARSABLE");
  std::string many = "x";
  for (std::size_t i = 0; i <= kReadResultsMax; ++i) many += "; spf=pass";
  CHECK(said(many) == "UNPARSABLE");
  CHECK(said("x; none" + std::string(kResultsFieldMax, ' ')) == "UNPARSABLE");
  CHECK(said(std::string(60000, '(') + "x; none") == "UNPARSABLE");
}

TEST_CASE("results: fields that claim to be ours") {
  for (const char* value :
       {" mx.example.org; none", "MX.Example.ORG;dkim=pass", "mx.example.org", "mx.example.org.;x",
        "mx.example.org 1; none", "mx.example.org/1; none", "(comment) mx.example.org (x); none",
        "\r\n\tmx.example.org\r\n\t; none", "\"mx.example.org\"; none",
        "\"mx.ex\\ample.org\"; none", "(a(b)\\))mx.example.org;;;broken(", "\"MX.EXAMPLE.ORG\" 1;",
        "mx.example.org\r\n 1 ; spf=pass"}) {
    INFO(value);
    CHECK(claim(value) == "ours");
  }
  for (const char* value :
       {"other.example; none", "other.example; spf=pass (by mx.example.org)",
        "other.example; iprev=pass policy.iprev=192.0.2.1 (mx.example.org)", "broken", "",
        "a.mx.example.org; none", "mx.example.orga; none", "xmx.example.org; none",
        "mx.example.or; spf=pass smtp.helo=mx.example.org",
        "(mx.example.org) other.example; none"}) {
    INFO(value);
    CHECK(claim(value) == "none");
  }
  for (const char* value :
       {"a b mx.example.org; none", ", mx.example.org; none", "(open mx.example.org; none",
        "\"open mx.example.org; none", "mx.exam ple.org; none", "mx.exam(x)ple.org; none",
        "mx.\"example\".org; none", "mx.example\\.org; none", "other.example mx.example.org; none",
        "<mx.example.org>; none", "mx.example.org, other; none", "mx.example.org\x01; none",
        "x.mx.example.org y; spf=pass", "other.example; broken; mx.example.org; spf=pass",
        "MX.EXA\r\n MPLE.ORG x; none"}) {
    INFO(value);
    CHECK(claim(value) == "unparsable");
  }
  CHECK(claim("x\0mx.example.org; none"s) == "unparsable");
  CHECK(claim("mx.example.org" + std::string(kResultsFieldMax, ' ')) == "unparsable");
  CHECK(claim("none; none", "") == "none");
}

TEST_CASE("results: one name in two spellings") {
  const std::string ours = "mx.xn--bcher-kva.example";
  for (const char* value : {"mx.bücher.example; none", "MX.BÜCHER.example; none",
                            "\"mx.bücher.example\"; none", "mx.XN--BCHER-KVA.example; none"})
    CHECK(claim(value, ours) == "ours");
  CHECK(claim("mx.xn--bcher-kva.example; none", "mx.bücher.example") == "ours");
  CHECK(claim("a mx.bücher.example; none", ours) == "unparsable");
  CHECK(claim("other.bücher.example; none", ours) == "none");
  CHECK(claim("a other.bücher.example; none", ours) == "none");
  std::string many = "a";
  for (int i = 0; i < 1001; ++i) many += " other.bücher.example";
  CHECK(claim(many, ours) == "unparsable");
}

TEST_CASE("results: the fields of a header section, by their number") {
  auto found = claiming_fields(
      "Received: x\r\nAuthentication-Results: other.example; none\r\n"
      "AUTHENTICATION-results : mx.example.org; none\r\nSubject: mx.example.org\r\n"
      "X-Authentication-Results: mx.example.org; none\r\n"
      "ARC-Authentication-Results: i=1; mx.example.org; none\r\n"
      "Authentication-Results:\r\n other.example; none\r\n"
      "Authentication-Results: a b\r\n\tmx.example.org\r\n\r\n"
      "Authentication-Results: mx.example.org; none\r\n",
      "mx.example.org");
  REQUIRE(found.size() == 2);
  CHECK(found[0].index == 2);
  CHECK(found[0].claim == ResultsClaim::ours);
  CHECK(found[1].index == 4);
  CHECK(found[1].claim == ResultsClaim::unparsable);
  CHECK(claiming_fields("", "mx.example.org").empty());
}

// Readers decode encoded words (RFC 2047), and pass over octets, where we do not.
TEST_CASE("results: what some readers find to be ours") {
  CHECK(claim(" =?utf-8?q?mx.example.org?=; dmarc=pass") == "unparsable");
  CHECK(claim(" =?utf-8?b?bXguZXhhbXBsZS5vcmc7IGRtYXJjPXBhc3M=?=") == "unparsable");
  CHECK(claim(" \xC2\xA0mx.example.org; dmarc=pass") == "unparsable");
  CHECK(claim(" mx.exa\x01mple.org; dmarc=pass") == "unparsable");
  CHECK(claim(" mx.exa\0mple.org; dmarc=pass"s) == "unparsable");
  CHECK(claim(" other.example; spf=pass reason=\"=?utf-8?q?x?=\"") == "none");
}

TEST_CASE("results: a section of words beyond ASCII is not looked at word by word for ever") {
  std::string field = "Authentication-Results: \"";
  for (int i = 0; i < 600; ++i) field += "\xC3\xA4 ";
  field += "\r\n";
  CHECK(claiming_fields(field, "mx.example.org").empty());
  CHECK(claiming_fields(field + field + field, "mx.example.org").size() == 2);
}
