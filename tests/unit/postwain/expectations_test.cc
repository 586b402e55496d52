// [[expect]] of strangers: the score and what follows from it, as the process `filter` decides it.
#include <catch2/catch.hpp>

#include <string>

#include "common/config/load/bundle.h"
#include "postwain/explain/expectations.h"

using namespace postwain;
using namespace postwain::tool;

namespace {

const std::string kBase =
    "hostname = \"mx.us.example\"\n"
    "[access]\ntrusted_networks = [\"127.0.0.0/8\"]\n"
    "[[domain]]\nname = \"us.example\"\n"
    "[[dns_list]]\nzone = \"k3y.zen.example\"\nlabel = \"zen\"\nweight = 5\n"
    "[[dns_list]]\nzone = \"good.example\"\nlabel = \"good\"\nweight = -3\n"
    "[strangers]\ngreylist_at = 2\nrefuse_at = 5\ngreet_delay = \"4s\"\n"
    "weights = { no_name = 2, forged_name = 3, dynamic_name = 1, helo = 1 }\n";

// What is wrong with the configuration, or does not come true; empty: nothing.
std::string mistake(const std::string& expect, const std::string& base = kBase) {
  std::string text = base + "[[expect]]\nrecipient = \"a@us.example\"\ndecision = \"accept\"\n";
  config::Loaded loaded = config::parse({"t.toml", {{"t.toml", text + expect}, {"k", "PEM"}}});
  if (!loaded.diagnostics.empty()) return "wrong: " + loaded.diagnostics[0].message;
  std::vector<config::Diagnostic> failed = failed_expectations(loaded.config);
  return failed.empty() ? std::string() : failed[0].message;
}

std::string with_mode_watch() {
  return kBase + "mode = \"watch\"\n";
}

}  // namespace

TEST_CASE("what is expected of a stranger comes true") {
  auto expect = GENERATE(
      as<std::string>{}, "score = 0\nthen = \"accept\"\n",
      "dns_lists = [\"zen\"]\nscore = 5\nthen = \"refuse\"\n",
      "dns_lists = [\"zen\", \"good\"]\nscore = 2\nthen = \"greylist\"\n",
      "dns_lists = [\"good\", \"good\"]\nscore = -3\n",
      "client_name = \"unknown\"\nscore = 2\nthen = \"greylist\"\n",
      "client_name = \"mail.far.example\"\nscore = 0\n",
      "client = \"198.51.100.7\"\nclient_name = \"198-51-100-7.dsl.far.example\"\n"
      "score = 1\n",
      "forged_name = true\nscore = 3\n", "helo = \"mx.us.example\"\nscore = 1\nthen = \"accept\"\n",
      "pregreet = true\nscore = 5\nthen = \"refuse\"\n",
      "client = \"127.0.0.1\"\nthen = \"accept\"\n", "dns_lists = [\"zen\"]\n");
  CAPTURE(expect);
  CHECK(mistake(expect).empty());
}

TEST_CASE("what does not come true is said, with the points") {
  CHECK(mistake("dns_lists = [\"zen\"]\nhelo = \"localhost\"\nscore = 5\n") ==
        "expected: a score of 5; but it is 6 (zen 5, helo 1)");
  CHECK(mistake("score = 5\n") == "expected: a score of 5; but it is 0 (no points)");
  CHECK(mistake("client_name = \"unknown\"\nthen = \"refuse\"\n") ==
        "expected: refuse at a score of 2 (no_name 2); but greylist follows, as t.toml:14:1 says");
  CHECK(mistake("client = \"127.0.0.1\"\nscore = 0\n") ==
        "expected: a score of 0 for a stranger; but nobody judges this client, or mail to this "
        "recipient");
}

TEST_CASE("a check of strangers that only watches lets everybody in") {
  std::string listed = "dns_lists = [\"zen\"]\nscore = 5\nthen = ";
  CHECK(mistake(listed + "\"accept\"\n", with_mode_watch()).empty());
  CHECK(mistake(listed + "\"refuse\"\n", with_mode_watch()) ==
        "expected: refuse at a score of 5 (zen 5); but accept follows, as t.toml:14:1 says, whose "
        "mode is watch");
}

TEST_CASE("everyone who has no good word waits, where everyone is to") {
  std::string base = kBase + "greylist = { everyone = true }\n";
  CHECK(mistake("then = \"greylist\"\n", base).empty());
  CHECK(mistake("dns_lists = [\"good\"]\nthen = \"accept\"\n", base).empty());
}

TEST_CASE("what is no fact of a stranger is a mistake of the configuration") {
  CHECK(mistake("dns_lists = [\"zne\"]\n") ==
        "wrong: dns_lists: 'zne' is the label of no [[dns_list]]");
  CHECK(mistake("then = \"perhaps\"\n").starts_with("wrong: then must be one of accept, greylist"));
  CHECK(mistake("score = 9999999\n").starts_with("wrong: score is between"));
  CHECK(mistake("client_name = \"a.example\"\nforged_name = true\n")
            .starts_with("wrong: forged_name and client_name exclude each other"));
  std::string plain = "hostname = \"mx.us.example\"\n[[domain]]\nname = \"us.example\"\n";
  CHECK(mistake("score = 1\n", plain) ==
        "wrong: score is for a configuration with [strangers] or [[dns_list]]");
}

TEST_CASE("by which keys mail is signed comes true, or is said") {
  const std::string base =
      "hostname = \"mx.us.example\"\n"
      "[access]\ntrusted_networks = [\"127.0.0.0/8\"]\n"
      "[[domain]]\nname = \"us.example\"\n"
      "[[dkim_key]]\ndomain = \"us.example\"\nselector = \"a\"\nkey = \"k\"\n"
      "[[dkim_key]]\ndomain = \"us.example\"\nselector = \"b\"\nkey = \"k\"\n"
      "subdomains = false\n"
      "[[dkim_key]]\ndomain = \"us.example\"\nselector = \"next\"\nkey = \"k\"\n"
      "signs = false\n"
      "[[route]]\nmatch = \"*\"\nsender = \"plain@us.example\"\ndeliver = \"mx\"\nsign = false\n"
      "[[route]]\nmatch = \"*\"\nsender = \"store@us.example\"\ndeliver = \"lmtp:unix:/s\"\n";
  const std::string ours = "client = \"127.0.0.1\"\nfrom = ";
  const std::string both =
      "signed_by = [\"b._domainkey.us.example\", \"A._domainkey.us.example\"]\n";
  const std::string none = "signed_by = []\n";
  CHECK(mistake(ours + "\"x@us.example\"\n" + both, base).empty());
  CHECK(mistake(ours + "\"x@sub.us.example\"\nsigned_by = [\"a._domainkey.us.example\"]\n", base)
            .empty());
  CHECK(mistake(ours + "\"x@us.example\"\n", base).empty());
  CHECK(mistake(ours + "\"x@other.example\"\n" + none, base).empty());
  CHECK(mistake(ours + "\"plain@us.example\"\n" + none, base).empty());
  CHECK(mistake(ours + "\"store@us.example\"\n" + none, base).empty());
  CHECK(mistake("from = \"x@us.example\"\n" + none, base).empty());
  CHECK(mistake("from = \"x@us.example\"\n" + both, base) ==
        "expected: what x@us.example sends is signed by b._domainkey.us.example, "
        "a._domainkey.us.example; but it is signed by no key");
  CHECK(mistake(ours + "\"x@us.example\"\n" + none, base) ==
        "expected: what x@us.example sends is signed by no key; but it is signed by "
        "a._domainkey.us.example, b._domainkey.us.example");
  CHECK(mistake("signed_by = [\"c._domainkey.us.example\"]\n", base) ==
        "wrong: signed_by: 'c._domainkey.us.example' is neither domain nor "
        "selector._domainkey.domain of a [[dkim_key]]");
  // The domain alone: some of its keys, whichever.
  const std::string domain = "signed_by = [\"US.example\"]\n";
  CHECK(mistake(ours + "\"x@us.example\"\n" + domain, base).empty());
  CHECK(mistake(ours + "\"x@sub.us.example\"\n" + domain, base).empty());
  CHECK(
      mistake(ours + "\"plain@us.example\"\n" + domain, base) ==
      "expected: what plain@us.example sends is signed by us.example; but it is signed by no key");
  CHECK(mistake(ours + "\"x@us.example\"\nsigned_by = [\"us.example\", "
                       "\"next._domainkey.us.example\"]\n",
                base)
            .starts_with("expected: what x@us.example sends"));
  CHECK(mistake("signed_by = [\"sub.us.example\"]\n", base).starts_with("wrong: signed_by: "));
}
