// What operators write, half write, or find on their machines.

#include <catch2/catch.hpp>

#include <algorithm>

#include "common/config/document/toml_scan.h"
#include "common/config/load/bundle.h"

using namespace postwain;
using namespace postwain::config;

namespace {

Loaded loaded(const std::string& text, std::map<std::string, std::string> more = {}) {
  more["t.toml"] = text;
  return parse(Bundle{"t.toml", std::move(more)});
}

std::vector<std::string> texts(const std::vector<Diagnostic>& list) {
  std::vector<std::string> out;
  for (const Diagnostic& one : list) out.push_back(one.text());
  return out;
}

// The only warning, and no error.
std::string warning(const std::string& text) {
  Loaded found = loaded("hostname = \"mx.example.org\"\n" + text);
  REQUIRE(texts(found.diagnostics) == std::vector<std::string>{});
  REQUIRE(found.warnings.size() < 2);
  return found.warnings.empty() ? "" : found.warnings.front().text();
}

bool has(const std::string& text, const std::string& part) {
  INFO(text);
  INFO(part);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("operate 2: half-typed syntax is an error with its line") {
  const std::string good = "hostname = \"a.example\"\n[limits]\nerrors = 5\n";
  for (const char* bad : {"[",
                          "[[",
                          "[[[1]]]",
                          "[[=",
                          "x = [}",
                          "[ ]",
                          "[[ ]]",
                          "[a",
                          "x = {",
                          "x = [[",
                          "x = ",
                          "= 1",
                          "x",
                          "x = 1 2",
                          "\"",
                          "'''",
                          "[a.]",
                          "[.a]",
                          "x = +",
                          "x = 0x",
                          "x = 1979-",
                          "]",
                          "[limits.errors]",
                          "[[limits]]",
                          "x = \"\\u12\"",
                          "\xff\xfe",
                          "x.y = 1\nx = 2",
                          "{",
                          "}"}) {
    for (const char* end : {"", "\n", "\n\n[queue]\n"}) {
      INFO(bad << end);
      Loaded found = loaded(good + bad + end);
      REQUIRE_FALSE(found.diagnostics.empty());
      const Origin& at = found.diagnostics.front().origin;
      CHECK(at.file == "t.toml");
      // Where it is noticed: in its line, or where something else was due.
      CHECK(at.line >= 3);
      CHECK(at.line <= 7);
      CHECK(at.column >= 1);
    }
  }
}

TEST_CASE("operate 2: what TOML does not know the parser does not see") {
  auto said = [](std::string_view text) {
    Loaded found = loaded(std::string(text));
    return found.diagnostics.empty() ? "" : found.diagnostics.front().text();
  };
  const char* what = ": outside of quotation marks only ASCII characters can stand";
  CHECK(said("\xC3\x89=  \"u") == std::string("t.toml:1:1") + what);
  CHECK(said("hostname = \"a\"\n  n\xC3\xA9 = 1\n") == std::string("t.toml:2:4") + what);
  CHECK(said("hostname = \xE2\x80\x9Cmx.example.org\xE2\x80\x9D") ==
        std::string("t.toml:1:12") + what);
  CHECK(said("hostname = \"mx\"\xC2\xA0") == std::string("t.toml:1:16") + what);
  CHECK(said("\xFF = 1") == std::string("t.toml:1:1") + what);
  for (const char* good : {"\xEF\xBB\xBFhostname = \"mx\"", "# \xC3\x89\nhostname = \"mx\"",
                           "hostname = \"mx\"\n[addresses]\norigin = '\xC3\x89'"})
    CHECK(said(good).find("ASCII") == std::string::npos);
  // The parser asks of each of these whether it is white space, and has no answer in its tables.
  for (const char* letter : {"\xEF\xBB\xB7", "\xCE\xBF", "\xC3\x89", "\xF0\x9F\x93\xAC"}) {
    CHECK(said(std::string("hostname = \"\"\"mx\\\n ") + letter + "\"\"\"").find("syntax") ==
          std::string::npos);
    CHECK(said(std::string("hostname = \"\"\"mx\\") + letter + "\"\"\"").find("syntax") !=
          std::string::npos);
    CHECK(said(std::string("hostname = 1\"80") + letter + "T\"").find("syntax") !=
          std::string::npos);
  }
}

TEST_CASE("operate 2: no key makes the parser's tables deeper than we look") {
  auto place = [](std::string_view text) {
    auto found = mistake_in_form(text);
    return found ? std::to_string(found->line) + ":" + std::to_string(found->column) : "";
  };
  std::string parts = "a";
  for (int i = 1; i < kKeyPartsMax; ++i) parts += ".a";
  CHECK(place(parts + " = 1").empty());
  CHECK(place("x = 1\n" + parts + ".a = 1") == "2:32");
  CHECK(place("[" + parts + ".a]") == "1:33");
  CHECK(place("x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, "
              "6.0, 7.0]")
            .empty());
  CHECK(place("x = \"..................................\" # ...................").empty());
  CHECK(place("x = '''\n..................................\n'''\ny = 1").empty());
  CHECK(place("x = \"\"\"\\\"\"\" ...................").empty());
  CHECK(place(std::string(100, '.')) == "1:16");
  std::string deep = "x = ";
  for (int i = 0; i < 100'000; ++i) deep += "{a.a.a=";
  CHECK_FALSE(loaded(deep).diagnostics.empty());
  std::string dots;
  for (int i = 0; i < 500'000; ++i) dots += "a.";
  CHECK_FALSE(loaded(dots + "a = 1").diagnostics.empty());
}

TEST_CASE("operate 4: a line of an aliases file that cannot be obeyed costs that name alone") {
  Loaded found = loaded("hostname = \"mx.example.org\"\n[addresses]\naliases = \"al\"\n",
                        {{"al",
                          "postmaster: root\n"
                          "devnull: /dev/null\n"
                          "list: \"|/usr/lib/list post\"\n"
                          "file: /var/mail/x\n"
                          "gone: :include:/nonexistent/list\n"
                          "two: a@b.org, a b@c\n"
                          "no colon here\n"
                          "root: admin@example.com\n"
                          "root: other@example.com\n"}});
  CHECK(texts(found.diagnostics).empty());
  std::vector<std::string> told = texts(found.warnings);
  REQUIRE(told.size() == 6);
  CHECK(has(told[0], "al:3:1: '|/usr/lib/list post': Postwain delivers to no programs"));
  CHECK(has(told[1], "al:4:1: '/var/mail/x'"));
  CHECK(has(told[2], "al:5:1: "));
  CHECK(has(told[3], "al:6:1: 'a b@c' is not an address"));
  CHECK(has(told[4], "al:7:1: expected 'name: address, address'"));
  CHECK(has(told[5], "al:9:1: root already stands at al:8:1, which counts"));
  const AddressMap& aliases = found.config.addresses.aliases;
  CHECK(aliases.at("root").targets.front().address == "admin@example.com");
  CHECK(aliases.at("devnull").targets.front().discard);
  for (const char* name : {"list", "file", "gone", "two"}) {
    CHECK_FALSE(aliases.at(name).fault.empty());
    CHECK(aliases.at(name).targets.empty());
  }
}

TEST_CASE("operate 10: the machine's own names are domains of its aliases") {
  auto domains = [](const std::string& text, const std::string& mail_name) {
    Loaded found = loaded(text, {{"@hostname", "box.lan.example.com"}, {"@mailname", mail_name}});
    REQUIRE(texts(found.diagnostics) == std::vector<std::string>{});
    std::string out = found.config.addresses.origin + ":";
    for (const std::string& one : found.config.addresses.alias_domains) out += " " + one;
    return out;
  };
  CHECK(domains("", "") ==
        "box.lan.example.com: box.lan.example.com box localhost localhost.localdomain");
  CHECK(domains("", "example.com") ==
        "example.com: box.lan.example.com box example.com localhost localhost.localdomain");
  CHECK(domains("hostname = \"MX.example.org\"", "") ==
        "mx.example.org: mx.example.org mx localhost localhost.localdomain");
  CHECK(domains("[addresses]\norigin = \"Example.NET\"", "example.com") ==
        "example.net: box.lan.example.com box example.net localhost localhost.localdomain");
  CHECK(domains("[addresses]\nalias_domains = \"a.example\"", "") ==
        "box.lan.example.com: a.example");
}

TEST_CASE("operate 30: what is taken and hardly meant is warned of") {
  CHECK(warning("").empty());
  CHECK(has(warning("[[route]]\nmatch = \"*@example.org\"\ndeliver = \"mx\"\n"),
            "matches the user '*' and nobody else"));
  CHECK(has(warning("[access]\ntrusted_networks = [\"192.168.1.5/24\"]\n"),
            "t.toml:3:21: 192.168.1.5/24 is an address within a network"));
  CHECK(warning("[access]\ntrusted_networks = [\"192.168.1.0/24\", \"::1\", \"fd00::/8\"]\n")
            .empty());
  for (const char* name : {"localhost", "mailbox", "127.0.0.1"}) {
    Loaded found = loaded(std::string("hostname = \"") + name + "\"\n");
    REQUIRE(found.warnings.size() == 1);
    CHECK(has(found.warnings[0].text(), "t.toml:1:12: "));
  }
}

TEST_CASE("operate 1: a route to a listener of ours is warned of") {
  auto route = [](const std::string& listener, const std::string& deliver) {
    return !warning("[[listener]]\naddress = \"" + listener + "\"\n[[route]]\nmatch = \"*\"\n" +
                    "deliver = \"" + deliver + "\"\n")
                .empty();
  };
  CHECK(route("127.0.0.1:2525", "smtp:[127.0.0.1]:2525"));
  CHECK(route("0.0.0.0:25", "smtp:localhost"));
  CHECK(route("0.0.0.0:25", "smtp:mx.example.org:25"));
  CHECK(route("192.0.2.1:25", "smtp:b.example:25,[192.0.2.1]:25"));
  CHECK(route("[::]:25", "smtp:[::1]:25"));
  CHECK(route("unix:/run/x", "lmtp:unix:/run/x"));
  CHECK_FALSE(route("127.0.0.1:2525", "smtp:[127.0.0.1]:2526"));
  CHECK_FALSE(route("192.0.2.1:25", "smtp:[192.0.2.2]:25"));
  CHECK_FALSE(route("127.0.0.1:25", "smtp:provider.example:25"));
}

TEST_CASE("operate 4: mail can be discarded on purpose") {
  Loaded found = loaded(
      "hostname = \"a.example\"\n[[route]]\nmatch = \"b.example\"\ndeliver = \"discard\"\n"
      "[[rule]]\nsender = \"c.example\"\naction = \"discard\"\n");
  REQUIRE(texts(found.diagnostics) == std::vector<std::string>{});
  CHECK(found.config.routes[0].deliver.kind == mail::HopKind::discard);
  CHECK(found.config.routes[0].deliver.key() == "discard");
  CHECK(found.config.rules[0].action == RuleAction::discard);
  CHECK(texts(loaded("[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nfallback = \"discard\"\n")
                  .diagnostics)
            .size() == 1);
}
