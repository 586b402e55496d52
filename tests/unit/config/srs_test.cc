// [srs] and the key `author` of [auth]: what operators write, and what they get to hear about it.
#include <catch2/catch.hpp>

#include <algorithm>

#include "common/config/load/bundle.h"

using namespace postwain;
using namespace postwain::config;

namespace {

const std::string kSecret = "sixteen or more 1";

Loaded loaded_srs(const std::string& text, const std::string& more = {}) {
  return parse(Bundle{"t.toml",
                      {{"t.toml", "hostname = \"mx.example.org\"\n" + more + "[srs]\n" + text},
                       {"secret", kSecret + " \r\n"},
                       {"older", "an older secret of ours\n"},
                       {"two", kSecret + "\nanother secret that is one\n"},
                       {"short", "fifteen chars..\nlonger than sixteen\n"},
                       {"empty", ""},
                       {"long", std::string(kSrsSecretMax + 1, 'x')}}});
}

bool tells_srs(const std::vector<Diagnostic>& diagnostics, std::string_view words) {
  return std::any_of(diagnostics.begin(), diagnostics.end(), [&](const Diagnostic& d) {
    return d.message.find(words) != std::string::npos;
  });
}

const std::string kGood = "domain = \"srs.example.net\"\nsecrets = [\"file:secret\"]\n";

}  // namespace

TEST_CASE("without [srs] no sender is rewritten") {
  Config c = parse(Bundle{"t.toml", {{"t.toml", "hostname = \"mx.example.org\"\n"}}}).config;
  CHECK_FALSE(c.srs.wanted);
  CHECK_FALSE(c.srs.is_on());
}

TEST_CASE("every key of [srs] is read") {
  Loaded loaded = loaded_srs(
      "domain = \"SRS.Example.net\"\nsecrets = [\"file:secret\", \"file:older\"]\n"
      "separator = \"+\"\nreturns = \"any\"\n");
  CHECK(loaded.diagnostics.empty());
  CHECK_FALSE(tells_srs(loaded.warnings, "srs"));
  const SrsRewriting& srs = loaded.config.srs;
  CHECK(srs.is_on());
  CHECK(srs.domain == "srs.example.net");
  CHECK(srs.secrets == std::vector<std::string>{kSecret, "an older secret of ours"});
  CHECK(srs.separator == '+');
  CHECK(srs.returns == SrsReturns::any);
  CHECK_FALSE(srs.shared);
  CHECK(srs.postmaster == "postmaster@mx.example.org");
  REQUIRE(loaded.named_files.size() == 2);
  CHECK(loaded.named_files[0].use == FileUse::srs_secret);
  Loaded plain = loaded_srs(kGood);
  CHECK(plain.diagnostics.empty());
  CHECK(plain.config.srs.separator == '=');
  CHECK(plain.config.srs.returns == SrsReturns::null_sender);
}

TEST_CASE("a process without the secrets reads [srs] all the same") {
  Loaded loaded =
      parse(Bundle{"t.toml", {{"t.toml", "hostname = \"mx.example.org\"\n[srs]\n" + kGood}}});
  CHECK(loaded.diagnostics.empty());
  CHECK(loaded.config.srs.wanted);
  CHECK_FALSE(loaded.config.srs.is_on());
  CHECK(loaded.config.srs.domain == "srs.example.net");
}

TEST_CASE("mistakes in [srs] are told") {
  struct Row {
    std::string text;
    const char* words;
  };
  auto row = GENERATE(values<Row>({
      {"secrets = [\"file:secret\"]\n", "domain"},
      {"domain = \"srs.example.net\"\n", "secrets"},
      {"domain = \"two words\"\nsecrets = [\"file:secret\"]\n", "is not a domain"},
      {"domain = \"srs.example.net\"\nsecrets = []\n", "at least one file"},
      {"domain = \"srs.example.net\"\nsecrets = [\"the secret itself\"]\n", "file:/path"},
      {"domain = \"srs.example.net\"\nsecrets = [\"file:\"]\n", "file:/path"},
      {"domain = \"srs.example.net\"\nsecrets = [\"file:short\"]\n", "16 to 1024 characters"},
      {"domain = \"srs.example.net\"\nsecrets = [\"file:empty\"]\n", "characters, not 0"},
      {"domain = \"srs.example.net\"\nsecrets = [\"file:long\"]\n", "characters, not 1025"},
      {kGood + "separator = \"=+\"\n", "separator is one of"},
      {kGood + "returns = \"all\"\n", "returns"},
      {kGood + "return = \"any\"\n", "return"},
  }));
  CAPTURE(row.text);
  Loaded loaded = loaded_srs(row.text);
  CHECK(tells_srs(loaded.diagnostics, row.words));
  // Perhaps it is the secret.
  CHECK_FALSE(tells_srs(loaded.diagnostics, "the secret itself"));
}

TEST_CASE("what is hardly meant in [srs] is told") {
  CHECK(tells_srs(loaded_srs("domain = \"srs.example.net\"\nsecrets = [\"file:two\"]\n").warnings,
                  "only its first line is a secret"));
  CHECK(tells_srs(
      loaded_srs("domain = \"srs.example.net\"\nsecrets = [\"file:secret\", \"file:two\"]\n")
          .warnings,
      "the secret of another file"));
  Loaded main = loaded_srs("domain = \"example.net\"\nsecrets = [\"file:secret\"]\n",
                           "[[domain]]\nname = \"example.net\"\n");
  CHECK(main.diagnostics.empty());
  CHECK(main.config.srs.shared);
  CHECK(tells_srs(main.warnings, "a [[domain]] as well"));
  CHECK(loaded_srs(kGood, "[[domain]]\nname = \".example.net\"\n").config.srs.shared);
  Loaded host = loaded_srs("domain = \"mx.example.org\"\nsecrets = [\"file:secret\"]\n");
  CHECK(host.config.srs.shared);
  CHECK(tells_srs(host.warnings, "one of the alias_domains as well"));
}

TEST_CASE("an [srs] below a domain of ours lends its name, unless strangers may not use that") {
  const std::string domain = "[[domain]]\nname = \"example.net\"\n";
  constexpr std::string_view kWords = "passes SPF as srs.example.net";
  CHECK(tells_srs(loaded_srs(kGood, domain).warnings, kWords));
  CHECK(tells_srs(loaded_srs(kGood, domain + "[authentication]\n").warnings, kWords));
  CHECK_FALSE(tells_srs(
      loaded_srs(kGood, domain + "[authentication]\nown_domains = \"hold\"\n").warnings, kWords));
  CHECK_FALSE(tells_srs(loaded_srs(kGood, "[[domain]]\nname = \"ample.net\"\n").warnings, kWords));
}

TEST_CASE("author of [auth] needs to know as whom an account may send") {
  auto auth = [](const std::string& text) {
    return parse(Bundle{
        "t.toml", {{"t.toml", "hostname = \"mx.example.org\"\n[auth]\n" + text}, {"users", ""}}});
  };
  const std::string users = "users_file = \"users\"\n";
  CHECK(auth(users).config.auth.author == AuthorCheck::off);
  CHECK(auth(users + "senders = \"own\"\nauthor = \"hold\"\n").config.auth.author ==
        AuthorCheck::hold);
  CHECK(auth(users + "senders = \"own\"\nauthor = \"refuse\"\n").diagnostics.empty());
  CHECK(auth(users + "author = \"off\"\n").diagnostics.empty());
  CHECK(tells_srs(auth(users + "author = \"refuse\"\n").diagnostics, "author needs senders"));
  CHECK(tells_srs(auth(users + "senders = \"own\"\nauthor = \"note\"\n").diagnostics, "author"));
}

TEST_CASE("own_domains of [authentication]") {
  auto checks = [](const std::string& text) {
    return parse(
        Bundle{"t.toml", {{"t.toml", "hostname = \"mx.example.org\"\n[authentication]\n" + text}}});
  };
  CHECK(checks("").config.authentication.own_domains == AuthenticationAction::note);
  CHECK(checks("own_domains = \"off\"\n").config.authentication.own_domains ==
        AuthenticationAction::off);
  CHECK(checks("own_domains = \"refuse\"\n").config.authentication.own_domains ==
        AuthenticationAction::refuse);
  CHECK_FALSE(checks("own_domains = true\n").diagnostics.empty());
  CHECK(tells_srs(checks("own_domains = \"hold\"\ndkim = \"off\"\ndmarc = \"off\"\n").warnings,
                  "own_domains = \"hold\" without dkim"));
}
