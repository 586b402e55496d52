// Macros of SPF: syntax, and what they expand to.
#include <catch2/catch.hpp>

#include "common/authentication/spf/lookups.h"
#include "common/authentication/spf/macro.h"

using namespace postwain;
using namespace postwain::authentication::spf;

namespace {

// The values of the examples in RFC 7208 7.4.
MacroValues example_values() {
  MacroValues values;
  values.sender = "strong-bad@email.example.com";
  values.local_part = "strong-bad";
  values.sender_domain = "email.example.com";
  values.domain = "email.example.com";
  values.client = "192.0.2.3";
  values.client_text = "192.0.2.3";
  values.validated = "mx.example.org";
  values.family = "in-addr";
  values.helo = "mx.example.org";
  values.receiver = "mx.receiver.example";
  values.time = "1700000000";
  return values;
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("macros of domain names") {
  struct Case {
    std::string spec;
    std::string name;
  };
  const Case cases[] = {
      {"%{s}", "strong-bad@email.example.com"},
      {"%{o}", "email.example.com"},
      {"%{d}", "email.example.com"},
      {"%{d4}", "email.example.com"},
      {"%{d3}", "email.example.com"},
      {"%{d2}", "example.com"},
      {"%{d1}", "com"},
      {"%{dr}", "com.example.email"},
      {"%{dR}", "com.example.email"},
      {"%{d2r}", "example.email"},
      {"%{l}", "strong-bad"},
      {"%{l-}", "strong.bad"},
      {"%{lr}", "strong-bad"},
      {"%{lr-}", "bad.strong"},
      {"%{l1r-}", "strong"},
      {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
      {"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
      {"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
      {"%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"},
      {"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"},
      {"%{p2}.%{h1}.x", "example.org.org.x"},
      {"%{d999999999999999999999}", "email.example.com"},
      {"%{S}.x", "strong-bad%40email.example.com.x"},
      {"%%%_%-.Example.COM.", "% %20.example.com"},
      {"%{d}.", "email.example.com"},
  };
  for (const Case& one : cases) {
    INFO(one.spec);
    CHECK(expand_domain(one.spec, example_values()) == one.name);
  }
}

TEST_CASE("delimiters leave empty parts, and dots join them") {
  MacroValues values = example_values();
  values.local_part = "-a+b--c-";
  CHECK(expand_domain("%{l-+}.x", values) == ".a.b..c..x");
  CHECK(expand_domain("%{l2-+}.x", values) == "c..x");
  CHECK(expand_domain("%{lr-+}.x", values) == ".c..b.a..x");
}

TEST_CASE("domain-specs end in a label that may be a top one, or in a macro") {
  const std::string good[] = {"a.b",          "a.example.",      "%{d}",         "a.%{d}",
                              "%{d}.com",     "foo:bar/baz.com", "a.xn--zckzah", "a.1-2",
                              ".com",         "a..com",          "%%",           "a.%_",
                              "%{i}.%{s}.a1", "}{.com",          "%{d.}.com",    "%{lr.-+,/_=}"};
  for (const std::string& text : good) {
    INFO(text);
    CHECK(is_domain_spec(text));
  }
  const std::string bad[] = {
      "",         "com",          "com.",     "a.123",    "a.b-",       "a.-b",
      "a.b..",    "%{d}.",        "%{d}com",  "%{d.}com", "a.b%",       "%a.b",
      "%(d).com", "%{x}.com",     "%{}.com",  "%{d",      "%{d0}.com",  "%{d-2}.com",
      "%{dr2}.a", "%{c}.com",     "%{r}.com", "%{t}.com", "%{d r}.com", "a b.com",
      "a.\x7f",   "a.c\xc3\xb6m", "foo}",     "%{drr}.a", "%{00}",      "%{s@}"};
  for (const std::string& text : bad) {
    INFO(text);
    CHECK_FALSE(is_domain_spec(text));
  }
}

TEST_CASE("explanations may have spaces, and letters that names may not") {
  CHECK(is_explanation("%{c} is not %{d}'s, says %{r} at %{t}"));
  CHECK(is_explanation(""));
  CHECK_FALSE(is_explanation("%{x}"));
  CHECK_FALSE(is_explanation("a\tb"));
  CHECK_FALSE(is_explanation("a\r\nRCPT TO:<x>"));
  CHECK_FALSE(is_explanation("\xef\xbb\xbftext"));
  CHECK(is_macro_string(""));
  CHECK(is_macro_string("%{d}/x=:"));
  CHECK_FALSE(is_macro_string("%{c}"));
  CHECK_FALSE(is_macro_string("%x"));
  CHECK(needs_validated_name("a.%{P1r}"));
  CHECK_FALSE(needs_validated_name("p.%%{p}.a"));
}

TEST_CASE("names that are too long lose labels on the left") {
  MacroValues values = example_values();
  std::string label(62, 'a');
  std::string four = label + '.' + label + '.' + label + '.' + label;  // 251
  CHECK(expand_domain(four + ".b", values) == four + ".b");
  CHECK(expand_domain(four + ".bc", values) == label + '.' + label + '.' + label + ".bc");
  CHECK(expand_domain(four + ".b.", values) == four + ".b");
  CHECK(expand_domain(four + ".bc.", values) == label + '.' + label + '.' + label + ".bc");
  CHECK(expand_domain("x." + four + ".b", values) == four + ".b");
  CHECK(expand_domain(std::string(300, 'a') + ".b", values) == "b");
  CHECK(expand_domain(std::string(300, 'a'), values).empty());
  std::string many = expand_domain(repeated("%{d}.", 3000) + "example.com", values);
  CHECK(many == "com." + repeated("email.example.com.", 13) + "example.com");
}

TEST_CASE("an explanation is short and printable, whatever comes in by macros") {
  MacroValues values = example_values();
  values.local_part =
      "b\xc3\xbc"
      "cher\r\n";
  CHECK(expand_explanation("not %{l}.", values) == "not b??cher??.");
  CHECK(expand_explanation("http://x/?l=%{L}", values) == "http://x/?l=b%C3%BCcher%0D%0A");
  CHECK(expand_explanation("%{r} %{t} %{c}.", values) ==
        "mx.receiver.example 1700000000 192.0.2.3.");
  CHECK(expand_explanation(std::string(10000, 'x'), values) == std::string(kExplanationMax, 'x'));
  CHECK(expand_explanation(repeated("%{s}", 4000), values).size() == kExplanationMax);
}

TEST_CASE("names that can be looked up") {
  std::string label(63, 'a');
  std::string longest = label + '.' + label + '.' + label + '.' + std::string(61, 'b');
  const std::string good[] = {
      "a.b", "_spf.a.b", "foo:bar/baz.a b.example", "-.-", "192.0.2.1", label + ".b", longest};
  for (const std::string& name : good) {
    INFO(name);
    CHECK(is_lookup_name(name));
  }
  const std::string bad[] = {"",
                             "a",
                             "a.",
                             ".a",
                             "a..b",
                             "a.b.",
                             label + "a.b",
                             longest + 'b',
                             "a\\.b",
                             "a\tb.c",
                             "b\xc3\xbc.d",
                             "a\x7f.b",
                             ".",
                             std::string("a\0.b", 4)};
  for (const std::string& name : bad) {
    INFO(name);
    CHECK_FALSE(is_lookup_name(name));
  }
}
