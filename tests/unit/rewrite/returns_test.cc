// Rewritten senders that come back, as the rewriter takes them; and which domains are ours.
#include <catch2/catch.hpp>

#include "common/config/config.h"
#include "common/rewrite/own_domains.h"
#include "common/rewrite/rewriter.h"

using namespace postwain;
using namespace postwain::rewrite;

namespace {

config::SrsRewriting returns_settings() {
  config::SrsRewriting out;
  out.wanted = true;
  out.domain = "srs.test";
  out.secrets = {"the secret of this test"};
  out.postmaster = "root@our.test";
  out.origin = {"t.toml", 7, 1};
  return out;
}

std::string made(const std::string& sender, WallTime when = from_unix_ms(1'000'000'000'000)) {
  Srs srs({"srs.test", {"the secret of this test"}, '='});
  return srs.forward(mail::Address::from_text(sender), when).address.text();
}

}  // namespace

TEST_CASE("returns: an address of [srs] leads to the sender behind it, and on from there") {
  config::Addresses addresses;
  addresses.separator = "=";
  addresses.virtual_addresses["old@far.test"] = {{{"new@other.test"}}, {"virtual", 1, 1}};
  config::SrsRewriting settings = returns_settings();
  for (bool shared : {false, true}) {
    settings.shared = shared;
    Rewriter rewriter(addresses, settings);
    CHECK_FALSE(rewriter.idle());
    struct Row {
      std::string address;
      std::string want;
    };
    const Row rows[] = {
        {made("anna@far.test"), "anna@far.test"},
        // However old it is: who took it has looked at that.
        {made("anna@far.test", from_unix_ms(1)), "anna@far.test"},
        {made("old@far.test"), "new@other.test"},
        {"SRS0=AAAA=AA=far.test=anna@srs.test", "is no sender that was rewritten here"},
        {"SRS0=@srs.test", "is no sender that was rewritten here"},
        {"srs1+x@SRS.test", "is no sender that was rewritten here"},
        {"anna@far.test", "anna@far.test"},
        {"Postmaster@srs.test", shared ? "Postmaster@srs.test" : "root@our.test"},
        {"anna@srs.test", shared ? "anna@srs.test" : "is no sender that was rewritten here"},
    };
    for (const Row& row : rows) {
      CAPTURE(row.address, shared);
      mail::Address address = mail::Address::from_text(row.address);
      Expansion found = rewriter.expand(address, true);
      Resolved one = rewriter.resolve(address);
      CHECK(found.problem == one.problem);
      if (found.problem != Problem::none) {
        CHECK(text_of(found.problem) == row.want);
        CHECK(found.origin.line == 7);
        continue;
      }
      REQUIRE(found.targets.size() == 1);
      CHECK(found.targets.front().address.text() == row.want);
      CHECK(one.address.text() == row.want);
      CHECK(found.changed == (row.want != row.address));
      CHECK(one.changed == found.changed);
    }
  }
  Rewriter rewriter(addresses, settings);
  Expansion told = rewriter.expand(mail::Address::from_text(made("old@far.test")), true);
  REQUIRE(told.steps.size() == 2);
  CHECK(told.steps[0].map == "srs");
  CHECK(told.steps[0].to == "old@far.test");
  CHECK(told.steps[1].map == "virtual");
  CHECK(rewriter.sender_behind(mail::Address::from_text(made("a@far.test"))).text() ==
        "a@far.test");
  for (const char* other : {"", "a@far.test", "SRS0=AAAA=AA=far.test=a@srs.test", "a@srs.test"})
    CHECK(rewriter.sender_behind(mail::Address::from_text(other)).text() == other);
}

TEST_CASE("returns: without the secrets nothing is taken back") {
  config::Addresses addresses;
  config::SrsRewriting settings = returns_settings();
  settings.secrets.clear();
  Rewriter rewriter(addresses, settings);
  CHECK(rewriter.idle());
  CHECK_FALSE(rewriter.expand(mail::Address::from_text(made("a@far.test"))).changed);
}

TEST_CASE("which domains are ours") {
  config::Config config;
  config.hostname = "mx.host.test";
  config.domains.push_back({{"our.test", ".wild.test"}, config::RecipientCheck::any, {}, {}});
  config.addresses.alias_domains = {"alias.test"};
  config.srs.wanted = true;
  config.srs.domain = "srs.test";
  OwnDomains own(config);
  struct Row {
    const char* domain;
    bool takes;
    bool names;
  };
  const Row rows[] = {
      {"our.test", true, true},
      {"below.our.test", false, true},
      {"a.b.our.test", false, true},
      {"wild.test", false, true},
      {"a.wild.test", true, true},
      {"a.b.wild.test", true, true},
      {"alias.test", true, false},
      {"mx.host.test", true, false},
      {"srs.test", true, true},
      {"host.test", false, false},
      {"notour.test", false, false},
      {"test", false, false},
      {"", false, false},
      {"[192.0.2.1]", false, false},
      {"our.test.other", false, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.domain);
    CHECK(own.take(row.domain) == row.takes);
    CHECK(own.name(row.domain) == row.names);
  }
}
