// [[dkim_key]]: what operators write, and what they get to hear about it.

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>

#include "common/config/load/bundle.h"

using namespace postwain;
using namespace postwain::config;

namespace {

Loaded loaded_with(const std::string& text) {
  return parse(
      Bundle{"t.toml", {{"t.toml", "hostname = \"mx.example.org\"\n" + text}, {"k", "a key"}}});
}

bool tells(const std::vector<Diagnostic>& diagnostics, std::string_view words) {
  return std::any_of(diagnostics.begin(), diagnostics.end(), [&](const Diagnostic& d) {
    return d.message.find(words) != std::string::npos;
  });
}

std::string key(const std::string& domain, const std::string& selector,
                const std::string& more = {}) {
  return "[[dkim_key]]\ndomain = \"" + domain + "\"\nselector = \"" + selector +
         "\"\nkey = \"k\"\n" + more;
}

}  // namespace

TEST_CASE("every key of [[dkim_key]] is read, names as the DNS has them") {
  Loaded loaded = loaded_with(key("Example.ORG.", "2026A") +
                              key("b\xc3\xbc"
                                  "cher.example",
                                  "s._x", "subdomains = false\nsigns = false\n"));
  CHECK(loaded.diagnostics.empty());
  const auto& keys = loaded.config.dkim_keys;
  REQUIRE(keys.size() == 2);
  CHECK(keys[0].domain == "example.org");
  CHECK(keys[0].selector == "2026a");
  CHECK(keys[0].key == "k");
  CHECK(keys[0].key_pem == "a key");
  CHECK(keys[0].subdomains);
  CHECK(keys[0].signs);
  CHECK(keys[1].domain == "xn--bcher-kva.example");
  CHECK_FALSE(keys[1].subdomains);
  CHECK_FALSE(keys[1].signs);
  REQUIRE(loaded.named_files.size() >= 1);
  CHECK(std::all_of(loaded.named_files.begin(), loaded.named_files.end(),
                    [](const NamedFile& file) { return file.use == FileUse::dkim_key; }));
}

TEST_CASE("mail is signed where a key of the configuration signs") {
  CHECK_FALSE(loaded_with("").config.signs_mail());
  CHECK_FALSE(loaded_with(key("a.example", "s", "signs = false\n")).config.signs_mail());
  CHECK(loaded_with(key("a.example", "s", "signs = false\n") + key("a.example", "t"))
            .config.signs_mail());
}

TEST_CASE("mistakes of [[dkim_key]] are told") {
  struct {
    std::string text;
    std::string_view says;
  } rows[] = {
      {"[[dkim_key]]\nselector = \"s\"\nkey = \"k\"\n", "domain"},
      {"[[dkim_key]]\ndomain = \"a.example\"\nkey = \"k\"\n", "selector"},
      {"[[dkim_key]]\ndomain = \"a.example\"\nselector = \"s\"\n", "key"},
      {key("a..example", "s"), "is not a name as in DNS"},
      {key("a.example; x", "s"), "is not a name as in DNS"},
      {key("a.example", "s/t"), "is not a name as in DNS"},
      {key("a.example", "-s"), "is not a name as in DNS"},
      {key("a.example", "s") + key("A.example.", "S"), "stands in two"},
      {key("a.example", "1") + key("a.example", "2") + key("a.example", "3") +
           key("a.example", "4") + key("a.example", "5"),
       "more than 4 keys of a.example with signs = true"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(tells(loaded_with(row.text).diagnostics, row.says));
  }
  // One of another domain, and one that does not sign, do not count.
  CHECK(loaded_with(key("a.example", "1") + key("a.example", "2") + key("a.example", "3") +
                    key("a.example", "4") + key("a.example", "5", "signs = false\n") +
                    key("b.example", "1"))
            .diagnostics.empty());
}

TEST_CASE("a selector is not the name of the record") {
  for (const char* selector :
       {"s1._domainkey", "S1._DomainKey.us.example", "_domainkey", "a._domainkey.b"})
    CHECK(tells(loaded_with(key("us.example", selector)).diagnostics,
                "is the name of the record; write the part before '._domainkey' alone"));
  for (const char* selector : {"s1.east", "_domainkeys", "my_domainkey", "a.b._x"})
    CHECK(loaded_with(key("us.example", selector)).diagnostics.empty());
}

TEST_CASE("the file of a key is its path alone") {
  Loaded loaded =
      loaded_with("[[dkim_key]]\ndomain = \"us.example\"\nselector = \"s\"\nkey = \"file:/k\"\n");
  REQUIRE(loaded.diagnostics.size() == 1);
  CHECK(loaded.diagnostics[0].text() ==
        "t.toml:5:7: key: always a file, and no 'file:' before its path");
}

TEST_CASE("what asks for signatures, where no key makes them, is told") {
  const std::string listener = "[[listener]]\naddress = \"127.0.0.1:2525\"\nsign = ";
  auto warned = [](const std::string& text) {
    return tells(loaded_with(text).warnings, "sign = true without a [[dkim_key]] that signs");
  };
  CHECK(warned(listener + "true\n"));
  CHECK(warned(listener + "true\n" + key("a.example", "s", "signs = false\n")));
  CHECK_FALSE(warned(listener + "true\n" + key("a.example", "s")));
  CHECK_FALSE(warned(listener + "false\n"));
}

TEST_CASE("TLS reports are signed by their own key, or by one of the domain they come from") {
  const std::string reports = "[tls_reports]\nfrom = \"r@Mail.A.example\"\n";
  auto warned = [](const std::string& text) {
    return tells(loaded_with(text).warnings, "reports by mail are not signed here");
  };
  CHECK(warned(reports));
  CHECK(warned(reports + key("b.example", "s")));
  CHECK(warned(reports + key("a.example", "s", "signs = false\n")));
  CHECK(warned(reports + key("a.example", "s", "subdomains = false\n")));
  CHECK_FALSE(warned(reports + key("a.example", "s")));
  CHECK_FALSE(warned(reports + key("mail.a.example", "s")));
  CHECK_FALSE(warned(reports + "dkim_selector = \"s\"\ndkim_key = \"k\"\n"));
}
