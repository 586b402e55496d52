// What addresses stand for, from the text of the files to the addresses that come out.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "common/config/load/bundle.h"
#include "common/rewrite/rewriter.h"
#include "common/smtp/syntax/address_syntax.h"

using namespace postwain;
using namespace postwain::rewrite;

namespace {

config::Loaded loaded_with(const std::map<std::string, std::string>& files,
                           const std::string& more = {}) {
  std::string text = "hostname = \"mx.example.org\"\n[addresses]\n" + more;
  config::Bundle bundle{"t.toml", {}};
  for (const auto& [key, content] : files) {
    if (key.front() != '/') text += fmt::format("{} = \"{}\"\n", key, key);
    bundle.files[key] = content;
  }
  bundle.files["t.toml"] = text;
  return config::parse(std::move(bundle));
}

config::Addresses addresses_with(const std::map<std::string, std::string>& files,
                                 const std::string& more = {}) {
  config::Loaded loaded = loaded_with(files, more);
  for (const config::Diagnostic& d : loaded.diagnostics) FAIL(d.text());
  return loaded.config.addresses;
}

std::string text_of(const Expansion& e) {
  if (e.problem != Problem::none) return std::string(text_of(e.problem));
  std::string out;
  for (const Target& target : e.targets) {
    out += (out.empty() ? "" : " ") + target.address.text();
    if (!target.owner.is_null()) out += "!" + target.owner.text();
  }
  return out;
}

const std::map<std::string, std::string> kFiles = {
    {"aliases",
     "# a comment\n"
     "postmaster: root\n"
     "root:\tanna, Bob Builder <bob@else.test>\n"
     "  , \"carl\"@else.test\n"
     "staff: anna, dora\n"
     "owner-staff: dora\n"
     "keeper: \\keeper, anna@else.test\n"
     "self: self, anna\n"
     "big: :include:/list\n"
     "owner-big: root\n"
     "inner: staff, eve@else.test\n"
     "\"odd name\": anna\n"},
    {"/list", "# members\na@list.test, b@list.test\n\nc@list.test\n:include:/more\n"},
    {"/more", "d@list.test\nA@list.test\n"},
    {"virtual",
     "info@example.org   anna@example.org\n"
     "sales@example.org  anna@example.org, bob@else.test,\n"
     "                   info@example.org\n"
     "both@example.org   both@example.org, archive@else.test\n"
     "@old.test          @example.org\n"
     "@catch.test        anna@example.org\n"
     "known@catch.test   known@catch.test\n"
     "listed@example.org staff@mx.example.org\n"},
    {"recipient_canonical", "old@example.org new@example.org\n@was.test @example.org\n"},
    {"sender_canonical", "anna@inner.test anna@example.org\n@inner.test @example.org\n"},
};

}  // namespace

TEST_CASE("rewriter: what an address stands for") {
  struct {
    const char* address;
    const char* want;
  } rows[] = {
      {"nobody@example.org", "nobody@example.org"},
      {"info@example.org", "anna@example.org"},
      {"INFO@Example.ORG", "anna@example.org"},
      {"\"info\"@example.org", "anna@example.org"},
      {"info+tag@example.org", "anna+tag@example.org"},
      {"sales@example.org", "anna@example.org bob@else.test"},
      {"both@example.org", "both@example.org archive@else.test"},
      {"anybody@old.test", "anybody@example.org"},
      {"info@old.test", "anna@example.org"},
      {"whoever@catch.test", "anna@example.org"},
      {"known@catch.test", "known@catch.test"},
      {"known+x@catch.test", "known+x@catch.test"},
      {"old@example.org", "new@example.org"},
      {"old+tag@example.org", "new+tag@example.org"},
      {"info@was.test", "anna@example.org"},
      {"root@mx.example.org", "anna@mx.example.org bob@else.test \"carl\"@else.test"},
      {"postmaster@mx.example.org", "anna@mx.example.org bob@else.test \"carl\"@else.test"},
      {"root@example.org", "root@example.org"},  // not an alias domain
      {"root+x@mx.example.org", "anna@mx.example.org bob@else.test \"carl\"@else.test"},
      {"keeper@mx.example.org", "keeper@mx.example.org anna@else.test"},
      {"self@mx.example.org", "self@mx.example.org anna@mx.example.org"},
      {"\"odd name\"@mx.example.org", "anna@mx.example.org"},
      {"staff@mx.example.org",
       "anna@mx.example.org!owner-staff@mx.example.org "
       "dora@mx.example.org!owner-staff@mx.example.org"},
      {"owner-staff@mx.example.org", "dora@mx.example.org"},
      {"listed@example.org",
       "anna@mx.example.org!owner-staff@mx.example.org "
       "dora@mx.example.org!owner-staff@mx.example.org"},
      {"inner@mx.example.org",
       "anna@mx.example.org!owner-staff@mx.example.org "
       "dora@mx.example.org!owner-staff@mx.example.org eve@else.test"},
      {"big@mx.example.org",
       "a@list.test!owner-big@mx.example.org b@list.test!owner-big@mx.example.org "
       "c@list.test!owner-big@mx.example.org d@list.test!owner-big@mx.example.org"},
  };
  config::Addresses addresses = addresses_with(kFiles, "separator = \"+\"\n");
  Rewriter rewriter(addresses);
  for (const auto& row : rows) {
    INFO(row.address);
    mail::Address address = mail::Address::from_text(row.address);
    Expansion found = rewriter.expand(address);
    CHECK(text_of(found) == row.want);
    CHECK(found.changed == (found.origin.line > 0));
    Resolved one = rewriter.resolve(address);
    CHECK(one.changed == found.changed);
    if (!one.several) CHECK(one.address.text() == row.want);
  }
  CHECK(rewriter.sender(mail::Address::from_text("anna@inner.test")).text() == "anna@example.org");
  CHECK(rewriter.sender(mail::Address::from_text("b+c@inner.test")).text() == "b+c@example.org");
  CHECK(rewriter.sender(mail::Address()).is_null());
  CHECK(problems(addresses).empty());
}

TEST_CASE("rewriter: without separator a tag is part of the name") {
  config::Addresses addresses = addresses_with(kFiles);
  Rewriter rewriter(addresses);
  CHECK(text_of(rewriter.expand(mail::Address::from_text("info+tag@example.org"))) ==
        "info+tag@example.org");
}

TEST_CASE("rewriter: every step is told with its line") {
  config::Addresses addresses = addresses_with(kFiles, "separator = \"+\"\n");
  Expansion found =
      Rewriter(addresses).expand(mail::Address::from_text("listed@example.org"), true);
  REQUIRE(found.steps.size() == 3);
  CHECK(found.steps[0].map == "virtual");
  CHECK(found.steps[0].origin.text() == "virtual:8:1");
  CHECK(found.steps[1].map == "alias");
  CHECK(found.steps[1].from == "staff@mx.example.org");
  CHECK(found.steps[2].to == "dora@mx.example.org");
  CHECK(found.steps[2].origin.text() == "aliases:5:1");
}

TEST_CASE("rewriter: what leads nowhere is found when the configuration is read") {
  struct {
    const char* map;
    const char* text;
    const char* want;
  } rows[] = {
      {"virtual", "a@x.test b@x.test\nb@x.test a@x.test\n",
       "virtual:1:1: a@x.test leads back to itself|virtual:2:1: b@x.test leads back to itself|"},
      {"virtual", "@x.test @y.test\n@y.test @x.test\n",
       "virtual:1:1: @x.test leads back to itself|virtual:2:1: @y.test leads back to itself|"},
      {"virtual", "a@x.test a@x.test\nb@x.test a@x.test, c@x.test\n", ""},
      {"aliases", "a: b, c\nb: d\nd: e, a\n",
       "aliases:1:1: a leads back to itself|aliases:2:1: b leads back to itself|"
       "aliases:3:1: d leads back to itself|"},
      {"aliases", "a: :include:/list\n", "aliases:1:1: a leads to a list without members|"},
      {"sender_canonical", "a@x.test b@x.test\nb@x.test a@x.test\n",
       "sender_canonical:1:1: a@x.test leads back to itself|"
       "sender_canonical:2:1: b@x.test leads back to itself|"},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    config::Addresses addresses = addresses_with({{row.map, row.text}, {"/list", "# nobody\n"}});
    std::string found;
    for (const config::Diagnostic& one : problems(addresses)) found += one.text() + "|";
    CHECK(found == row.want);
  }
}

TEST_CASE("rewriter: a chain of aliases ends, and so does a bush") {
  std::string chain;
  std::string bush;
  for (int i = 0; i < 100; ++i) {
    chain += fmt::format("a{}: a{}\n", i, i + 1);
    bush += fmt::format("b{}: b{}, b{}, x{}\n", i, i + 1, i + 2, i);
  }
  config::Addresses addresses = addresses_with({{"aliases", chain + bush}});
  Rewriter rewriter(addresses);
  auto expanded = [&](const char* address) {
    return rewriter.expand(mail::Address::from_text(address));
  };
  CHECK(expanded("a60@mx.example.org").targets.size() == 1);
  CHECK(expanded("a0@mx.example.org").problem == Problem::loop);
  CHECK(expanded("b60@mx.example.org").targets.size() == 42);
}

TEST_CASE("operate 4: what an alias that cannot be used, and /dev/null, stand for") {
  config::Addresses addresses = addresses_with(
      {{"aliases",
        "bad: |/bin/x\nto-bad: bad\nnull: /dev/null\nboth: null, anna@x.test\nto-null: null\n"}});
  Rewriter rewriter(addresses);
  auto expanded = [&](const char* local) {
    return rewriter.expand(mail::Address(local, "mx.example.org"));
  };
  CHECK(expanded("bad").problem == Problem::fault);
  CHECK(expanded("to-bad").problem == Problem::fault);
  CHECK(rewriter.resolve(mail::Address("to-bad", "mx.example.org")).problem == Problem::fault);
  for (const char* local : {"null", "to-null"}) {
    Expansion found = expanded(local);
    REQUIRE(found.targets.size() == 1);
    CHECK(found.targets[0].discard);
    CHECK(rewriter.resolve(mail::Address(local, "mx.example.org")).problem == Problem::none);
  }
  CHECK(expanded("both").targets.size() == 2);
}

TEST_CASE("rewriter: mistakes in the files") {
  struct {
    const char* map;
    const char* text;
    const char* want;
  } rows[] = {
      {"aliases", "no colon here\n", "aliases:1:1: expected 'name: address, address'"},
      {"aliases", "a:\n", "aliases:1:1: a stands for nobody"},
      {"aliases", "a: b\n\nA: c\n", "aliases:3:1: A already stands at aliases:1:1, which counts"},
      {"aliases", "a@x.test: b\n", "aliases:1:1: 'a@x.test' is not a local part"},
      {"aliases", "a: b@@c\n", "aliases:1:1: 'b@@c' is not an address"},
      {"aliases", "a: \"\"\n", "aliases:1:1: \"\" is no address"},
      {"aliases", "a: \"|/usr/bin/vacation a\"\n",
       "aliases:1:1: '|/usr/bin/vacation a': Postwain delivers to no programs and files (but for "
       "/dev/null); give the mail to a store by [[route]]"},
      {"aliases", "a: /var/mail/a\n",
       "aliases:1:1: '/var/mail/a': Postwain delivers to no programs and files (but for "
       "/dev/null); give the mail to a store by [[route]]"},
      {"aliases", "a: :include:/bad\n", "/bad:2:1: this is not an address"},
      {"aliases", "a: :include:/deep\n", "/deep:1:1: /deep includes itself"},
      {"virtual", "a@x.test\n", "virtual:1:1: expected 'address address, address'"},
      {"virtual", "a b@x.test\n", "virtual:1:1: 'a' is neither an address nor @domain"},
      {"virtual", "a@x.test b\n", "virtual:1:1: 'b' is not an address"},
      {"virtual", "a@x.test :include:/bad\n",
       "virtual:1:1: :include: belongs into an aliases file"},
      {"canonical", "a@x.test b@x.test, c@x.test\n",
       "canonical:1:1: a@x.test can become one address only, not 2, and the first counts; several "
       "are the business of virtual"},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    config::Loaded loaded = loaded_with({{row.map, row.text},
                                         {"/bad", "fine@x.test\nnot an address\n"},
                                         {"/deep", ":include:/deep\n"}});
    // operate 4: they are warnings, and the name alone fails.
    REQUIRE(loaded.diagnostics.empty());
    REQUIRE(!loaded.warnings.empty());
    CHECK(loaded.warnings.front().text() == row.want);
  }
}

TEST_CASE("S6: what an address becomes is an address, whatever tag a client gives it") {
  config::Addresses addresses =
      addresses_with({{"virtual",
                       "bob@own.test robert@inner.test\n"
                       "odd@own.test \"odd name\"@inner.test\n"
                       "all@own.test one@inner.test, two@inner.test\n"
                       "@old.test @own.test\n"},
                      {"sender_canonical", "bob@own.test robert@inner.test\n"},
                      {"aliases", "\"odd list\": a@x.test\n\"owner-odd list\": b@x.test\n"}},
                     "separator = \"+\"\n");
  Rewriter rewriter(addresses);
  struct {
    const char* address;
    const char* want;
  } rows[] = {
      {"bob+tag@own.test", "robert+tag@inner.test"},
      {"\"bob+tag\"@own.test", "robert+tag@inner.test"},
      {"odd+tag@own.test", "\"odd name+tag\"@inner.test"},
      {R"("bob+x@victim.example> ORCPT=rfc822;"@own.test)",
       R"("robert+x@victim.example> ORCPT=rfc822;"@inner.test)"},
      {R"("bob+x> AUTH=<> RET=FULL ENVID="@own.test)",
       R"("robert+x> AUTH=<> RET=FULL ENVID="@inner.test)"},
      {R"("bob+\"a"@own.test)", R"("robert+\"a"@inner.test)"},
      {R"("bob+\\ > b"@own.test)", R"("robert+\\ > b"@inner.test)"},
      {R"("bob+.x"@own.test)", "robert+.x@inner.test"},
      {R"("bob+..x"@own.test)", R"("robert+..x"@inner.test)"},
      {R"("bob+x"@old.test)", "robert+x@inner.test"},
      {"bob+x%victim.example@own.test", "robert+x%victim.example@inner.test"},
      {R"("all+> X"@own.test)", R"("one+> X"@inner.test "two+> X"@inner.test)"},
      {"\"odd list\"@mx.example.org", "a@x.test!\"owner-odd list\"@mx.example.org"},
  };
  for (const auto& row : rows) {
    INFO(row.address);
    auto address = smtp::parse_mailbox(row.address);
    REQUIRE(address);
    Expansion found = rewriter.expand(*address);
    CHECK(text_of(found) == row.want);
    for (const Target& target : found.targets) {
      CHECK(smtp::parse_mailbox(target.address.text()) == target.address);
      if (!target.owner.is_null()) CHECK(smtp::parse_mailbox(target.owner.text()) == target.owner);
    }
    CHECK(smtp::parse_mailbox(rewriter.sender(*address).text()));
  }
}

TEST_CASE("S6: a tag that makes the address too long leads nowhere, and a sender stays as he is") {
  std::string domain = "inner";
  for (int i = 0; i < 20; ++i) domain += ".subdomain";
  config::Addresses addresses =
      addresses_with({{"virtual", "bob@own.test robert@" + domain + ".test\n"},
                      {"sender_canonical", "bob@own.test robert@" + domain + ".test\n"},
                      {"recipient_canonical", "carl@own.test carlos@" + domain + ".test\n"}},
                     "separator = \"+\"\n");
  Rewriter rewriter(addresses);
  const std::string tag = "+" + std::string(250, 'x');
  for (const char* name : {"bob", "carl"}) {
    INFO(name);
    auto address = smtp::parse_mailbox(name + tag + "@own.test");
    REQUIRE(address);
    CHECK(rewriter.expand(*address).problem == Problem::unfit);
    Resolved resolved = rewriter.resolve(*address);
    CHECK(resolved.problem == Problem::unfit);
    REQUIRE(resolved.origin != nullptr);
    CHECK(resolved.origin->line == 1);
    CHECK(rewriter.sender(*address) == *address);
    CHECK(rewriter.expand(*smtp::parse_mailbox(std::string(name) + "@own.test")).problem ==
          Problem::none);
  }
}
