// Rewritten senders that come back to us, and as whom an account may write.
#include <catch2/catch.hpp>

#include <string>

#include "common/base/text.h"
#include "common/config/config.h"
#include "smtpd/acceptance/policy.h"

using namespace postwain;
using namespace postwain::smtpd;

namespace {

constexpr std::int64_t kPolicyDay = 86'400'000;
const WallTime kPolicyNow = from_unix_ms(20'000 * kPolicyDay);

config::Config returns_config() {
  config::Config config;
  config.access.trusted_networks.push_back(*config::parse_network("10.0.0.0/8"));
  config.srs.wanted = true;
  config.srs.domain = "srs.test";
  config.srs.secrets = {"the secret of this test", "the one before it"};
  config.srs.origin = {"test.toml", 60, 1};
  return config;
}

rewrite::Srs policy_srs(std::string secret = "the secret of this test") {
  return rewrite::Srs({"srs.test", {std::move(secret)}, '='});
}

std::string return_of(const rewrite::Srs& srs, const char* sender, WallTime when = kPolicyNow) {
  return srs.forward(mail::Address::from_text(sender), when).address.text();
}

// "250 2.1.5", with the words of a refusal.
std::string rcpt_reply(const config::Config& config, const std::string& to,
                       const std::string& from = {}, const char* client = "192.0.2.7") {
  Policy policy(config);
  Verdict verdict =
      policy.rcpt(policy.classify(client), "hello.test", mail::Address::from_text(from),
                  mail::Address::from_text(to), kPolicyNow);
  CHECK(verdict.accepted == verdict.reply.positive());
  return verdict.accepted ? verdict.reply.one_line().substr(0, 9) : verdict.reply.one_line();
}

}  // namespace

TEST_CASE("SRS: what a return is worth, for the metrics", "[policy]") {
  config::Config config = returns_config();
  rewrite::Srs srs = policy_srs();
  const std::string good = return_of(srs, "a@far.test");
  Policy policy(config);
  auto worth = [&](const std::string& to, const char* from = "") {
    return policy
        .rcpt(policy.classify("192.0.2.7"), "hello.test", mail::Address::from_text(from),
              mail::Address::from_text(to), kPolicyNow)
        .srs;
  };
  CHECK(worth(good) == SrsReturn::taken);
  CHECK(worth(good, "s@else.test") == SrsReturn::no_notice);
  CHECK(worth(return_of(srs, "a@far.test", kPolicyNow - std::chrono::days(22))) ==
        SrsReturn::expired);
  CHECK(worth(return_of(policy_srs("somebody's secret"), "a@far.test")) == SrsReturn::forged);
  CHECK(worth("SRS0=abcd@srs.test") == SrsReturn::forged);
  for (const char* other : {"anna@srs.test", "postmaster@srs.test", "x@elsewhere.test"})
    CHECK(worth(other) == SrsReturn::none);
}

TEST_CASE("SRS: which returns are taken, from whom", "[policy]") {
  config::Config config = returns_config();
  rewrite::Srs srs = policy_srs();
  const std::string good = return_of(srs, "a@far.test");
  const std::string bad = "550 5.1.1 Recipient address rejected: it ";
  CHECK(rcpt_reply(config, good) == "250 2.1.5");
  CHECK(rcpt_reply(config, to_lower(good)) == "250 2.1.5");
  CHECK(rcpt_reply(config, return_of(policy_srs("the one before it"), "a@far.test")) ==
        "250 2.1.5");
  CHECK(rcpt_reply(config, return_of(srs, "a@far.test", kPolicyNow - std::chrono::days(21))) ==
        "250 2.1.5");
  CHECK(rcpt_reply(config, return_of(srs, "a@far.test", kPolicyNow - std::chrono::days(22))) ==
        bad + "is no longer valid");
  CHECK(rcpt_reply(config, return_of(policy_srs("somebody's secret"), "a@far.test")) ==
        bad + "was changed on its way, or is not ours");
  CHECK(rcpt_reply(config, "SRS0=abcd@srs.test") == bad + "is no complete rewritten address");
  CHECK(rcpt_reply(config, "anna@srs.test") == bad + "is no rewritten address");
  CHECK(rcpt_reply(config, "Postmaster@srs.test") == "250 2.1.5");
  // Notices only, also from those that may relay.
  for (const char* client : {"192.0.2.7", "10.1.2.3"}) {
    CHECK(rcpt_reply(config, good, "s@else.test", client) ==
          "550 5.7.1 This address takes notices only, which come from <>");
    CHECK(rcpt_reply(config, good, "", client) == "250 2.1.5");
    CHECK(rcpt_reply(config, "anna@srs.test", "", client).starts_with("550 5.1.1"));
  }
  config.srs.returns = config::SrsReturns::any;
  CHECK(rcpt_reply(config, good, "s@else.test") == "250 2.1.5");
  CHECK(rcpt_reply(config, "SRS0=x@srs.test", "s@else.test").starts_with("550 5.1.1"));
  // A [[domain]] as well: what is no return goes its way.
  config.domains.push_back({{"srs.test"}, config::RecipientCheck::list, {"anna"}, {}});
  config.srs.shared = true;
  CHECK(rcpt_reply(config, good) == "250 2.1.5");
  CHECK(rcpt_reply(config, "anna@srs.test") == "250 2.1.5");
  CHECK(rcpt_reply(config, "ghost@srs.test").starts_with("550 5.1.1"));
  CHECK(rcpt_reply(config, "SRS0=abcd=AB=far.test=a@srs.test").starts_with("550 5.1.1"));
}

// Relay control stays closed: of all that is like a return, only what we have made opens a way.
TEST_CASE("SRS: nothing but our own hashes opens a way", "[policy]") {
  config::Config config = returns_config();
  config.srs.returns = config::SrsReturns::any;
  Policy policy(config);
  rewrite::Srs srs = policy_srs();
  Client client = policy.classify("192.0.2.7");
  const std::string made = return_of(srs, "alice.b@far.test");
  std::uint32_t random = 12345;
  auto next = [&](std::size_t below) {
    random = random * 1664525U + 1013904223U;
    return (random >> 8) % below;
  };
  constexpr std::string_view kLetters = "ABCDEFabcdef0123456789=+-@.%!\"\\/ SRS";
  int taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string local = made.substr(0, made.rfind('@'));
    std::size_t changes = 1 + next(3);
    for (std::size_t k = 0; k < changes; ++k) {
      std::size_t at = next(local.size());
      char letter = kLetters[next(kLetters.size())];
      if (next(4) == 0) {
        local.erase(at, 1);
      } else if (next(3) == 0) {
        local.insert(at, 1, letter);
      } else {
        local[at] = letter;
      }
    }
    for (const char* domain : {"srs.test", "far.test", "x.srs.test", "srs.test.far.test"}) {
      mail::Address to(local, domain);
      Verdict verdict = policy.rcpt(client, "hello.test", mail::Address::from_text("s@else.test"),
                                    to, kPolicyNow);
      bool good = std::string_view(domain) == "srs.test" &&
                  srs.reverse(to, kPolicyNow).problem == rewrite::SrsProblem::none;
      if (verdict.accepted != good) FAIL(to.text());
      // A hash of four characters is hit once in some millions; else the change was of no weight.
      if (good && std::string_view(domain) == "srs.test")
        taken += iequals(srs.reverse(to, kPolicyNow).address.text(), "alice.b@far.test") ? 0 : 1;
    }
  }
  CHECK(taken == 0);
}

TEST_CASE("as whom an account may write", "[policy]") {
  config::Config config;
  config.auth.senders = config::Senders::listed;
  config.auth.grants = {{"anna", {"anna@any.test", "team@any.test"}}, {"all", {"*"}}};
  config.addresses.separator = "+";
  Policy policy(config);
  struct AuthorRow {
    const char* account;
    const char* header;
    const char* objection;  // empty: it is permitted
  };
  const AuthorRow rows[] = {
      {"anna", "From: Anna <anna@any.test>\r\n", ""},
      {"anna", "From: ANNA@Any.Test\r\n", ""},
      {"anna", "From: anna+tag@any.test, team@any.test\r\nSender: anna@any.test\r\n", ""},
      {"anna", "From: anna@any.test, boss@any.test\r\n", "anna may not write as <boss@any.test>"},
      {"anna", "From: boss@any.test\r\n", "anna may not write as <boss@any.test>"},
      {"anna", "From: boss@any.test <anna@any.test>\r\n", "anna may not write as <boss@any.test>"},
      {"anna", "From: \"boss@any.test\" <anna@any.test>\r\n", ""},
      {"anna", "From: anna@any.test\r\nFrom: boss@any.test\r\n",
       "anna may not write as <boss@any.test>"},
      {"anna", "From: anna@any.test\r\nSender: boss@any.test\r\n",
       "anna may not write as <boss@any.test>"},
      {"anna", "From: anna\r\n", "anna may not write as <anna>"},
      {"anna", "Sender: anna@any.test\r\n", "From names no author"},
      {"anna", "From: nobody:;\r\n", "From names no author"},
      {"anna", "From: anna@any.test <\r\n", "From cannot be read as a list of addresses"},
      {"anna", "From: anna@any.test\r\nSender: (\r\n",
       "Sender cannot be read as a list of addresses"},
      {"anna", "From: anna@any.test\r\nResent-From: boss@any.test\r\n", ""},
      {"anna", "From: b\xc3\xb6ss@any.test\r\n", "anna may not write as <b??ss@any.test>"},
      {"all", "From: boss@any.test\r\n", ""},
      {"ghost", "From: anna@any.test\r\n", "ghost may not write as <anna@any.test>"},
      {"", "From: boss@any.test\r\n", ""},
  };
  for (const AuthorRow& row : rows) {
    CAPTURE(row.account, row.header);
    AuthorFinding found = policy.author(row.account, row.header);
    CHECK(found.objection == row.objection);
    CHECK(found.permitted == found.objection.empty());
  }
  config.auth.senders = config::Senders::any;
  CHECK(Policy(config).author("anna", "From: boss@any.test\r\n").permitted);
}
