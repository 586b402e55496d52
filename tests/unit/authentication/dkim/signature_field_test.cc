// What a DKIM-Signature field has to say (RFC 6376 3.5), rule by rule.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "common/authentication/dkim/signature_field.h"

using namespace postwain;
using namespace postwain::authentication::dkim;

namespace {

const std::string kHash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

// A right field in which one tag is another one, or is missing.
std::string field_with(std::string_view name, std::string_view value, bool present = true) {
  const std::pair<std::string_view, std::string_view> tags[] = {
      {"v", "1"},         {"a", "rsa-sha256"}, {"b", "YWJj"}, {"bh", kHash},
      {"d", "a.example"}, {"h", "From"},       {"s", "sel"}};
  std::string out;
  bool done = false;
  for (auto [tag, usual] : tags) {
    bool meant = tag == name;
    done |= meant;
    if (!meant || present) out += fmt::format(" {}={};", tag, meant ? value : usual);
  }
  return done ? out : out + fmt::format(" {}={}", name, value);
}

std::string refusal_of(std::string_view value) {
  auto reading = read_signature_field(value);
  if (!reading.refusal) return "";
  return fmt::format("{}: {}", name_of(reading.refusal->verdict), reading.refusal->reason);
}

struct Case {
  std::string_view tag;
  std::string value;
  std::string_view refusal;
};

const Case kCases[] = {
    {"v", "1", ""},
    {"v", "2", "neutral: its version is not known"},
    {"v", "01", "neutral: its version is not known"},
    {"v", "", "neutral: its version is not known"},
    {"a", "rsa-sha256", ""},
    {"a", "RSA-SHA256", ""},
    {"a", "ed25519-sha256", ""},
    {"a", "rsa-sha1", "permerror: rsa-sha1 is not good any more (RFC 8301)"},
    {"a", "rsa-sha512", "neutral: its algorithm is not known"},
    {"a", "", "neutral: its algorithm is not known"},
    {"b", "Y W\r\n J j", ""},
    {"b", "", "permerror: its b= is no signature"},
    {"b", "YWJ", "permerror: its b= is no signature"},
    {"b", "YW-j", "permerror: its b= is no signature"},
    {"b", std::string(2736, 'A'), "permerror: its b= is no signature"},
    {"bh", "YWJj", "permerror: its bh= is no hash"},
    {"bh", "", "permerror: its bh= is no hash"},
    {"c", "simple", ""},
    {"c", "relaxed/simple", ""},
    {"c", "nowsp", "neutral: its c= is not known"},
    {"c", "relaxed/", "neutral: its c= is not known"},
    {"c", "relaxed/relaxed/simple", "neutral: its c= is not known"},
    {"d", "A.Example", ""},
    {"d",
     "b\xc3\xbc"
     "cher.example",
     ""},
    {"d", "", "permerror: its d= is no domain"},
    {"d", "a..example", "permerror: its d= is no domain"},
    {"d", "a.example.", "permerror: its d= is no domain"},
    {"d", "a b.example", "permerror: its d= is no domain"},
    {"d", "a@b.example", "permerror: its d= is no domain"},
    {"d", std::string(64, 'x') + ".example", "permerror: its d= is no domain"},
    {"h", "From : To:\r\n Subject", ""},
    {"h", "FROM", ""},
    {"h", "To:Subject", "permerror: it does not sign the From field"},
    {"h", "", "permerror: its h= is no list of fields"},
    {"h", "From:", "permerror: its h= is no list of fields"},
    {"h", "From:a b", "permerror: its h= is no list of fields"},
    {"h", "From:\xc3\xa4", "permerror: its h= is no list of fields"},
    {"i", "@a.example", ""},
    {"i", "x@A.EXAMPLE", ""},
    {"i", "x@sub.a.example", ""},
    {"i", "=40@x@a.example", ""},
    {"i", "x", "permerror: its i= is no identity"},
    {"i", "", "permerror: its i= is no identity"},
    {"i", std::string(512, 'x') + "@a.example", "permerror: its i= is no identity"},
    {"a", std::string(513, 'x'), "neutral: its algorithm is not known"},
    {"i", "x@", "permerror: its i= is not of its domain"},
    {"i", "x@b.example", "permerror: its i= is not of its domain"},
    {"i", "x@xa.example", "permerror: its i= is not of its domain"},
    {"i", "x@example", "permerror: its i= is not of its domain"},
    {"l", "0", ""},
    {"l", "99999999999999999999999999999", ""},
    {"l", "-1", "permerror: its l= is no number"},
    {"l", "", "permerror: its l= is no number"},
    {"l", "1x", "permerror: its l= is no number"},
    {"q", "dns/txt", ""},
    {"q", "other : dns/txt", ""},
    {"q", "other", "neutral: its key is not in the DNS"},
    {"s", "a.b", ""},
    {"s", "", "permerror: its s= is no name"},
    {"s", "a..b", "permerror: its s= is no name"},
    {"s", "a/b", "permerror: its s= is no name"},
    {"t", "1", ""},
    {"t", "x", "permerror: its t= is no time"},
    {"x", "1", ""},
    {"x", "1.5", "permerror: its x= is no time"},
    {"x", "", "permerror: its x= is no time"},
    {"z", "From:x|To:=3B", ""},
    {"unknown", "whatever", ""},
};

}  // namespace

TEST_CASE("dkim: each tag of a signature") {
  for (const Case& one : kCases) {
    CAPTURE(one.tag, one.value);
    CHECK(refusal_of(field_with(one.tag, one.value)) == one.refusal);
  }
}

TEST_CASE("dkim: tags that a signature must have") {
  for (std::string tag : {"v", "a", "b", "bh", "d", "h", "s"}) {
    CAPTURE(tag);
    CHECK(refusal_of(field_with(tag, "", false)) == fmt::format("permerror: it has no {}=", tag));
  }
  CHECK(refusal_of("") == "permerror: a tag has no \"=\"");
  CHECK(refusal_of(field_with("x", "1; x=2")) == "permerror: a tag stands there twice");
}

TEST_CASE("dkim: tags that have to fit each other") {
  CHECK(refusal_of(field_with("t", "5; x=6")) == "");
  CHECK(refusal_of(field_with("t", "5; x=5")) == "permerror: it ends before it begins");
  CHECK(refusal_of(field_with("t", "5; x=4")) == "permerror: it ends before it begins");
  std::string long_name(60, 'x');
  std::string domain = long_name + "." + long_name + "." + long_name;
  CHECK(refusal_of(field_with("d", domain)) == "");
  CHECK(refusal_of(field_with("d", domain + "." + long_name)) ==
        "permerror: the name of its key is too long");
}

TEST_CASE("dkim: more names than anybody signs are not read") {
  std::string names = "From";
  for (std::size_t i = 1; i < kSignedNamesMax; ++i) names += ":a";
  CHECK(refusal_of(field_with("h", names)) == "");
  CHECK(refusal_of(field_with("h", names + ":a")) == "permerror: its h= is no list of fields");
}

TEST_CASE("dkim: what is read of a signature") {
  auto reading = read_signature_field(
      " v=1; a=ed25519-sha256; c=relaxed; d=B\xc3\xbc"
      "cher.example; s=S\xc3\xa4; h=From : To;\r\n"
      " i=\"x y\"@mail.b\xc3\xbc"
      "cher.example; l=7; t=10; x=20; bh=" +
      kHash + ";\r\n b=YW\r\n Jj Y2Rl");
  REQUIRE_FALSE(reading.refusal);
  const SignatureField& field = reading.field;
  CHECK(field.algorithm == Algorithm::ed25519_sha256);
  CHECK(field.signature == "abccde");
  CHECK(field.body_hash.size() == 32);
  CHECK(field.header == Canonical::relaxed);
  CHECK(field.body == Canonical::simple);
  CHECK(field.names == std::vector<std::string>{"From", "To"});
  CHECK(field.length == 7);
  CHECK(field.time == 10);
  CHECK(field.expiry == 20);
  CHECK_FALSE(field.of_whole_domain);
  CHECK(field.question == "xn--s-0fa._domainkey.xn--bcher-kva.example");
  CHECK(reading.facts.domain ==
        "B\xc3\xbc"
        "cher.example");
  CHECK(reading.facts.domain_key == "xn--bcher-kva.example");
  CHECK(reading.facts.identity ==
        "\"xy\"@mail.b\xc3\xbc"
        "cher.example");
  CHECK(reading.facts.begin == "YWJjY2Rl");
}

TEST_CASE("dkim: texts that are too long name nothing") {
  std::string text(kFactOctetsMax + 1, 'x');
  for (std::string tag : {"a", "d", "s", "i"}) {
    auto facts = read_signature_field(field_with(tag, text)).facts;
    for (const std::string* one :
         {&facts.algorithm, &facts.domain, &facts.selector, &facts.identity})
      CHECK(one->size() <= kFactOctetsMax);
  }
}

TEST_CASE("dkim: a signature that is refused can still be named") {
  auto reading = read_signature_field(" v=2; a=x-y; d=a.example; s=sel; i=u@b.example; b=!;");
  REQUIRE(reading.refusal);
  CHECK(reading.facts.domain == "a.example");
  CHECK(reading.facts.selector == "sel");
  CHECK(reading.facts.algorithm == "x-y");
  CHECK(reading.facts.identity == "u@b.example");
  CHECK(reading.facts.begin == "!");
}

TEST_CASE("dkim: the field without its signature") {
  for (auto [text, without] :
       {std::pair<std::string_view, std::string_view>{"X: a=1; b=abc; c=2", "X: a=1; b=; c=2"},
        {"X: a=1; b = \r\n abc\r\n\tdef ", "X: a=1; b ="},
        {"X: a=1; b=", "X: a=1; b="},
        {"X: b=x=;bh=b=;", "X: b=;bh=b=;"},
        {"X: a=1", "X: a=1"}}) {
    CHECK(without_signature(text) == without);
  }
}
