// Relay control: who may send to whom. The table is the specification; an added disguise is an
// added row. Paths go through the real parser, so a row says what happens to the line on the wire.
#include <catch2/catch.hpp>

#include <string>

#include "common/config/config.h"
#include "common/mail/address_pattern.h"
#include "common/smtp/syntax/rcpt_command.h"
#include "smtpd/acceptance/client_address.h"
#include "smtpd/acceptance/connection_limits.h"
#include "smtpd/acceptance/policy.h"

using namespace postwain;
using namespace postwain::smtpd;

namespace {

config::Config test_config() {
  config::Config config;
  for (const char* network : {"127.0.0.0/8", "10.0.0.0/8", "2001:db8:1::/48"}) {
    auto parsed = config::parse_network(network);
    REQUIRE(parsed);
    parsed->origin = {"test.toml", 3, 1};
    config.access.trusted_networks.push_back(*parsed);
  }
  config.domains.push_back(
      {{"any.test", "also.test"}, config::RecipientCheck::any, {}, {"test.toml", 10, 1}});
  config.domains.push_back({{"list.test"},
                            config::RecipientCheck::list,
                            {"bob", "eve@list.test"},
                            {"test.toml", 20, 1}});
  config.domains.push_back({{".sub.test"}, config::RecipientCheck::any, {}, {"test.toml", 30, 1}});
  config.domains.push_back(
      {{"in.sub.test"}, config::RecipientCheck::list, {"only"}, {"test.toml", 40, 1}});
  config.domains.push_back(
      {{"probe.test"}, config::RecipientCheck::probe, {}, {"test.toml", 50, 1}});
  return config;
}

enum class Who { stranger, trusted };
constexpr Who stranger = Who::stranger;
constexpr Who trusted = Who::trusted;

struct Row {
  const char* path;  // as behind "RCPT TO:"
  Who who;
  const char* want;
};

const char* const ok = "250 2.1.5";
const char* const relay = "550 5.7.1";
const char* const unknown = "550 5.1.1";
const char* const syntax = "501 5.1.3";

const Row kRows[] = {
    // Our own domains.
    {"<user@any.test>", stranger, ok},
    {"<user@ANY.Test>", stranger, ok},
    {"<user@also.test>", stranger, ok},
    {"<user@probe.test>", stranger, ok},
    {"<\"user\"@any.test>", stranger, ok},
    {"<\"a b\"@any.test>", stranger, ok},
    {"<user+ext@any.test>", stranger, ok},
    {"<user=ext@any.test>", stranger, ok},
    {"<bob@list.test>", stranger, ok},
    {"<BOB@list.test>", stranger, ok},
    {"<\"bob\"@list.test>", stranger, ok},
    {"<\"b\\ob\"@list.test>", stranger, ok},
    {"<eve@LIST.test>", stranger, ok},
    {"<mallory@list.test>", stranger, unknown},
    {"<bob+x@list.test>", stranger, unknown},
    {"<\"\"@list.test>", stranger, unknown},
    {"<\"eve@list.test\"@list.test>", stranger, unknown},
    {"<mallory@list.test>", trusted, unknown},
    // Subdomains: only where ".domain" is said, the exact name before the wildcard.
    {"<user@a.sub.test>", stranger, ok},
    {"<user@b.a.sub.test>", stranger, ok},
    {"<user@sub.test>", stranger, relay},
    {"<only@in.sub.test>", stranger, ok},
    {"<user@in.sub.test>", stranger, unknown},
    {"<user@x.in.sub.test>", stranger, ok},
    {"<user@x.any.test>", stranger, relay},
    // Names that only look like ours.
    {"<user@xany.test>", stranger, relay},
    {"<user@any.test.evil.test>", stranger, relay},
    {"<user@any.tes>", stranger, relay},
    {"<user@test>", stranger, relay},
    {"<user@any-test>", stranger, relay},
    {"<user@any.test.>", stranger, ok},  // receive 2: one name with the one without the dot
    {"<user@.any.test>", stranger, syntax},
    {"<user@.sub.test>", stranger, syntax},
    {"<user@any..test>", stranger, syntax},
    // Plain relaying.
    {"<user@evil.test>", stranger, relay},
    {"<user@evil.test>", trusted, ok},
    {"<user@localhost>", stranger, relay},
    {"<user@mx.postwain.test>", stranger, relay},
    // Disguises: percent hack, bang path, quotes.
    {"<user%evil.test@any.test>", stranger, relay},
    {"<user%evil.test%any.test@any.test>", stranger, relay},
    {"<%@any.test>", stranger, relay},
    {"<user%@any.test>", stranger, relay},
    {"<evil.test!user@any.test>", stranger, relay},
    {"<!user@any.test>", stranger, relay},
    {"<\"user@evil.test\"@any.test>", stranger, relay},
    {"<\"user\\@evil.test\"@any.test>", stranger, relay},
    {"<\"user%evil.test\"@any.test>", stranger, relay},
    {"<\"evil.test!user\"@any.test>", stranger, relay},
    {"<\"@evil.test:user\"@any.test>", stranger, relay},
    {"<user%evil.test@a.sub.test>", stranger, relay},
    {"<user%evil.test@probe.test>", stranger, relay},
    {"<user%evil.test@list.test>", stranger, unknown},
    {"<\"user@evil.test\"@list.test>", stranger, unknown},
    {"<user%evil.test@evil.test>", stranger, relay},
    {"<user%evil.test@any.test>", trusted, ok},
    {"<\"user@any.test\"@evil.test>", stranger, relay},
    {"<\"user@any.test\">", stranger, syntax},
    {"<user%any.test>", stranger, syntax},
    {"<any.test!user>", stranger, syntax},
    {"<user@evil.test@any.test>", stranger, syntax},
    {"<user@any.test@evil.test>", stranger, syntax},
    {"<user@evil.test%any.test>", stranger, syntax},
    {"<user@evil.test,any.test>", stranger, syntax},
    {"<user@evil.test>x@any.test", stranger, "501 5.5.4"},
    {"<user@evil.test> <bob@list.test>", stranger, "501 5.5.4"},
    {"<<bob@list.test>user@evil.test>", stranger, syntax},
    // Source routes are dropped; the mailbox behind them decides.
    {"<@any.test:user@evil.test>", stranger, relay},
    {"<@any.test,@list.test:user@evil.test>", stranger, relay},
    {"<@evil.test:user@any.test>", stranger, ok},
    {"<@any.test:user>", stranger, syntax},
    // Address literals, ours too, are nobody's domain.
    {"<user@[127.0.0.1]>", stranger, relay},
    {"<user@[192.0.2.1]>", stranger, relay},
    {"<user@[IPv6:::1]>", stranger, relay},
    {"<user@[IPv6:::ffff:127.0.0.1]>", stranger, relay},
    {"<user@127.0.0.1>", stranger, relay},
    {"<postmaster@[127.0.0.1]>", stranger, relay},
    {"<user@[any.test]>", stranger, syntax},
    {"<user@[127.0.0.1]>", trusted, ok},
    // Postmaster.
    {"<postmaster>", stranger, ok},
    {"<POSTMASTER>", stranger, ok},
    {"<postmaster@any.test>", stranger, ok},
    {"<Postmaster@list.test>", stranger, ok},
    {"<\"postmaster\"@list.test>", stranger, ok},
    {"<postmaster@evil.test>", stranger, relay},
    {"<abuse@list.test>", stranger, unknown},
    {"<user>", stranger, syntax},
    {"<>", stranger, syntax},
    // Look-alikes in Unicode are other domains.
    {"<user@\xC3\xA4ny.test>", stranger, relay},
    {"<user@xn--ny-via.test>", stranger, relay},
};

}  // namespace

TEST_CASE("relay table", "[policy]") {
  config::Config config = test_config();
  Policy policy(config);
  CHECK(std::size(kRows) >= 60);
  for (const Row& row : kRows) {
    INFO(row.path << (row.who == trusted ? " from inside" : " from a stranger"));
    Client client = policy.classify(row.who == trusted ? "10.1.2.3" : "192.0.2.7");
    mail::Recipient recipient;
    std::string got;
    if (auto refusal = smtp::parse_rcpt(std::string("TO:") + row.path, true, recipient)) {
      got = std::to_string(refusal->code) + " " + refusal->enhanced.text();
    } else {
      Verdict verdict = policy.recipient(client, recipient.address);
      got = std::to_string(verdict.reply.code) + " " + verdict.reply.enhanced.text();
      CHECK(verdict.accepted == verdict.reply.positive());
      REQUIRE(verdict.origin != nullptr);
      CHECK_FALSE(verdict.reason.empty());
    }
    CHECK(got == row.want);
  }
}

TEST_CASE("S6: a tag or a rewriting opens no way for a name that names another host", "[policy]") {
  config::Config config = test_config();
  config.addresses.separator = "+";
  config.addresses.virtual_addresses["bob@any.test"].targets = {{"robert@inner.test", false}};
  config.addresses.virtual_addresses["a%b@any.test"].targets = {{"robert@inner.test", false}};
  config.domains[1].allowed.push_back("c!d");
  Policy policy(config);
  const Row rows[] = {
      {"<bob+x@any.test>", stranger, ok},
      {"<\"bob+> x\"@any.test>", stranger, ok},
      {"<bob+x%victim.example@any.test>", stranger, relay},
      {"<bob+victim.example!x@any.test>", stranger, relay},
      {"<\"bob+x@victim.example> ORCPT=rfc822;\"@any.test>", stranger, relay},
      {"<\"bob+\\@x\"@any.test>", stranger, relay},
      {"<bob+x%victim.example@any.test>", trusted, ok},
      {"<bob+x@list.test>", stranger, ok},
      {"<bob+x%victim.example@list.test>", stranger, relay},
      {"<\"bob+x@victim.example\"@list.test>", stranger, relay},
      {"<bob+x%victim.example@list.test>", trusted, ok},
      {"<nobody+x%victim.example@list.test>", stranger, unknown},
      // What the operator names himself is his word.
      {"<a%b@any.test>", stranger, ok},
      {"<c!d@list.test>", stranger, ok},
      {"<c!d+x@list.test>", stranger, relay},
  };
  for (const Row& row : rows) {
    INFO(row.path);
    mail::Recipient recipient;
    REQUIRE_FALSE(smtp::parse_rcpt(std::string("TO:") + row.path, true, recipient));
    Client client = policy.classify(row.who == trusted ? "10.1.2.3" : "192.0.2.7");
    Verdict verdict = policy.recipient(client, recipient.address);
    CHECK(std::to_string(verdict.reply.code) + " " + verdict.reply.enhanced.text() == row.want);
  }
}

TEST_CASE("who is trusted", "[policy]") {
  config::Config config = test_config();
  Policy policy(config);
  struct {
    const char* peer;
    bool want;
  } rows[] = {
      {"127.0.0.1", true},         {"127.255.0.9", true},
      {"10.0.0.1", true},          {"11.0.0.1", false},
      {"9.255.255.255", false},    {"::ffff:10.0.0.1", true},
      {"::ffff:192.0.2.1", false}, {"2001:db8:1::5", true},
      {"2001:db8:2::5", false},    {"::1", false},
      {"fe80::1%eth0", false},     {"", true},
  };
  for (const auto& row : rows) {
    INFO(row.peer);
    CHECK(policy.classify(plain_address(row.peer)).trusted == row.want);
  }
  config.access.trusted_networks.clear();
  CHECK_FALSE(Policy(config).classify("").trusted);
  CHECK_FALSE(Policy(config).classify("127.0.0.1").trusted);
}

TEST_CASE("verdicts name the line that decided", "[policy]") {
  config::Config config = test_config();
  Policy policy(config);
  auto origin = [&](const char* from, const char* address) {
    Client client = policy.classify(from);
    return policy.recipient(client, mail::Address::from_text(address)).origin->line;
  };
  CHECK(origin("192.0.2.7", "x@any.test") == 10);
  CHECK(origin("192.0.2.7", "x@list.test") == 20);
  CHECK(origin("192.0.2.7", "x@y.sub.test") == 30);
  CHECK(origin("192.0.2.7", "x@in.sub.test") == 40);
  CHECK(origin("192.0.2.7", "x@evil.test") == 0);
  CHECK(origin("10.0.0.1", "x@evil.test") == 3);
}

TEST_CASE("submission is for people we know", "[policy]") {
  config::Config config = test_config();
  Policy policy(config);
  using config::ListenerProtocol;
  CHECK(policy.sender(policy.classify("10.0.0.1"), ListenerProtocol::submission).accepted);
  CHECK(policy.sender(policy.classify("192.0.2.7"), ListenerProtocol::submission).reply.code ==
        530);
  CHECK(policy.sender(policy.classify("192.0.2.7"), ListenerProtocol::smtp).accepted);
}

TEST_CASE("client addresses in one form", "[policy]") {
  CHECK(plain_address("::ffff:192.0.2.1") == "192.0.2.1");
  CHECK(plain_address("2001:DB8:0::1") == "2001:db8::1");
  CHECK(plain_address("fe80::1%eth0") == "fe80::1");
  CHECK(plain_address("192.0.2.1") == "192.0.2.1");
  CHECK(plain_address("") == "");
  CHECK(address_literal("192.0.2.1") == "[192.0.2.1]");
  CHECK(address_literal("::1") == "[IPv6:::1]");
  CHECK(client_key("2001:db8:1:2:3:4:5:6") == client_key("2001:db8:1:2::1"));
  CHECK(client_key("2001:db8:1:2::1") != client_key("2001:db8:1:3::1"));
}

TEST_CASE("connection limits", "[policy]") {
  using enum ConnectionLimits::Verdict;
  ConnectionLimits limits(3, 2);
  CHECK(limits.admit("a") == admitted);
  CHECK(limits.admit("a") == admitted);
  CHECK(limits.admit("a") == too_many_from_client);
  CHECK(limits.admit("b") == admitted);
  CHECK(limits.admit("c") == too_many);
  limits.release("a");
  CHECK(limits.admit("a") == admitted);
  CHECK(limits.open() == 3);
  limits.release("b");
  CHECK(limits.admit("") == admitted);  // a Unix socket has no address to count by
}

TEST_CASE("S8: an IPv6 site has four times what one of its networks has", "[policy]") {
  CHECK(client_site("2001:db8:1:2::9") == "2001:db8:1::/48");
  CHECK(client_site(client_key("2001:db8:1:2::9")) == "2001:db8:1::/48");
  CHECK(client_site("192.0.2.1").empty());
  CHECK(client_site("").empty());
  ConnectionLimits limits(100, 2);
  using Verdict = ConnectionLimits::Verdict;
  auto admit = [&](int network) {
    std::string key = client_key("2001:db8:1:" + std::to_string(network) + "::1");
    return limits.admit(key, client_site(key));
  };
  for (int network = 0; network < 8; ++network) CHECK(admit(network) == Verdict::admitted);
  CHECK(admit(8) == Verdict::too_many_from_client);
  std::string other = client_key("2001:db8:2::1");
  CHECK(limits.admit(other, client_site(other)) == Verdict::admitted);
  std::string first = client_key("2001:db8:1:0::1");
  limits.release(first, client_site(first));
  CHECK(admit(8) == Verdict::admitted);
  CHECK(limits.open() == 9);
}

TEST_CASE("a client that has logged in may relay", "[policy]") {
  config::Config config = test_config();
  Policy policy(config);
  Client client = policy.classify("192.0.2.7");
  client.account = "ann";
  CHECK(policy.sender(client, config::ListenerProtocol::submission).accepted);
  CHECK(policy.recipient(client, mail::Address::from_text("x@far.test")).accepted);
  CHECK(policy.recipient(client, mail::Address::from_text("nobody@list.test")).reply.code == 550);
}

TEST_CASE("as whom an account may send", "[policy]") {
  config::Config config = test_config();
  config.hostname = "mx.test";
  Policy policy(config);
  Client client = policy.classify("192.0.2.7");
  auto may = [&](const char* account, const char* sender) {
    client.account = account;
    return policy.account_sender(client, mail::Address::from_text(sender)).accepted;
  };
  CHECK(may("ann", "any@thing.test"));
  config.auth.senders = config::Senders::own;
  CHECK(may("", "any@thing.test"));
  CHECK(may("ann", ""));
  CHECK(may("ann", "Ann@ANY.test"));
  CHECK(may("ann", "ann@mx.test"));
  CHECK_FALSE(may("ann", "ann@far.test"));
  CHECK_FALSE(may("ann", "bob@any.test"));
  CHECK(may("Ann@far.test", "ann@far.test"));
  CHECK_FALSE(may("ann@far.test", "ann@any.test"));
  config.auth.senders = config::Senders::listed;
  config.auth.grants = {{"ann", {"sales@x.test", ".y.test"}}, {"root", {"*"}}, {"ann", {"z.test"}}};
  CHECK(may("ann", "sales@x.test"));
  CHECK(may("ann", "any@a.y.test"));
  CHECK(may("ann", "any@z.test"));
  CHECK_FALSE(may("ann", "ann@x.test"));
  CHECK_FALSE(may("bob", "bob@any.test"));
  CHECK(may("root", "who@ever.test"));
  CHECK(policy.account_sender(client, mail::Address::from_text("a@b.c")).accepted);
}

TEST_CASE("receive 11: who owns an address owns its tagged forms", "[policy]") {
  config::Config config = test_config();
  config.auth.senders = config::Senders::own;
  for (const char* separator : {"+", ""}) {
    config.addresses.separator = separator;
    Policy policy(config);
    Client client = policy.classify("192.0.2.7");
    auto may = [&](const char* account, const char* sender) {
      client.account = account;
      return policy.account_sender(client, mail::Address::from_text(sender)).accepted;
    };
    bool tags = *separator != '\0';
    CHECK(may("ann@far.test", "Ann+shop@far.test") == tags);
    CHECK(may("ann", "ann+shop@any.test") == tags);
    CHECK_FALSE(may("ann@far.test", "annx+ann@far.test"));
    CHECK_FALSE(may("ann@far.test", "+ann@far.test"));
    CHECK_FALSE(may("ann@far.test", "bob+ann@far.test"));
    config.auth.senders = config::Senders::listed;
    config.auth.grants = {{"ann", {"sales@x.test"}}};
    CHECK(may("ann", "sales+2@x.test") == tags);
    CHECK_FALSE(may("ann", "sales2@x.test"));
    config.auth.senders = config::Senders::own;
  }
}

TEST_CASE("receive 2: a domain is one, whatever its spelling", "[policy]") {
  const char* spellings[] = {"b\u00fccher.example",   "B\u00dcCHER.example",
                             "xn--bcher-kva.example", "XN--BCHER-KVA.Example.",
                             "bu\u0308cher.example",  "b\u00fccher\u3002example"};
  for (const char* configured : spellings) {
    config::Config config = test_config();
    config.domains = {{{mail::canonical_pattern(configured)}, config::RecipientCheck::any, {}, {}},
                      {{mail::canonical_pattern(std::string(".sub.") + configured)},
                       config::RecipientCheck::any,
                       {},
                       {}}};
    config::Rule rule;
    rule.senders = {mail::canonical_pattern(std::string("bad@") + configured),
                    mail::canonical_pattern(std::string(".closed.") + configured)};
    config.rules = {rule};
    config.auth.senders = config::Senders::own;
    Policy policy(config);
    Client stranger = policy.classify("192.0.2.7");
    for (const char* written : spellings) {
      INFO(configured << " and " << written);
      auto at = [&](const std::string& before) {
        return mail::Address::from_text(before + written);
      };
      CHECK(policy.recipient(stranger, at("info@")).accepted);
      CHECK(policy.recipient(stranger, at("info@a.sub.")).accepted);
      CHECK_FALSE(policy.recipient(stranger, at("info@other.")).accepted);
      CHECK_FALSE(policy.rules(stranger, "h", at("Bad@"), nullptr, {}).accepted);
      CHECK_FALSE(policy.rules(stranger, "h", at("any@x.closed."), nullptr, {}).accepted);
      CHECK(policy.rules(stranger, "h", at("good@"), nullptr, {}).accepted);
      Client ann = stranger;
      ann.account = std::string("ann@") + configured;
      CHECK(policy.account_sender(ann, at("ann@")).accepted);
      CHECK_FALSE(policy.account_sender(ann, at("bob@")).accepted);
    }
  }
}

TEST_CASE("workers share the limits", "[policy]") {
  CHECK(share_of(50, 1) == 50);
  CHECK(share_of(50, 8) == 7);
  CHECK(share_of(1, 8) == 1);
  CHECK(share_of(16, 4) == 4);
}
