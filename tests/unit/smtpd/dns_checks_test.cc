// What is asked of strangers besides a recipient of ours, as tables.
#include <catch2/catch.hpp>

#include "common/config/config.h"
#include "smtpd/acceptance/policy.h"

using namespace postwain;
using namespace postwain::smtpd;
using dns::LookupState;

namespace {

config::Config strict() {
  config::Config config;
  config.hostname = "mx.example.org";
  config.domains.push_back({{"example.org"}, config::RecipientCheck::any, {}, {"t.toml", 9, 1}});
  config.access.reverse_dns = config::ReverseDns::require;
  config.access.reverse_dns_origin = {"t.toml", 1, 1};
  config.access.hello = config::HelloCheck::resolves;
  config.access.hello_origin = {"t.toml", 2, 1};
  config.access.sender_domain = config::SenderCheck::exists;
  config.access.sender_domain_origin = {"t.toml", 3, 1};
  return config;
}

dns::ClientFacts good() {
  return {LookupState::good, "host.far.test", LookupState::good, LookupState::good};
}

struct Row {
  const char* hello;
  LookupState client;
  LookupState name;
  LookupState sender;
  const char* want;
  int line;  // that decides
};

constexpr LookupState ok = LookupState::good;
constexpr LookupState bad = LookupState::bad;
constexpr LookupState null_mx = LookupState::null_mx;
constexpr LookupState trouble = LookupState::trouble;
constexpr LookupState unasked = LookupState::unasked;

}  // namespace

TEST_CASE("checks of strangers: every answer of the DNS") {
  const Row rows[] = {
      {"h.far.test", ok, ok, ok, "250 2.1.0 Ok", 0},
      {"h.far.test", unasked, unasked, unasked, "250 2.1.0 Ok", 0},
      {"h.far.test", bad, ok, ok, "550 5.7.25 Your address has no name that leads back to it", 1},
      {"h.far.test", trouble, ok, ok, "450 4.7.25 Your address's name cannot be looked up now", 1},
      {"h.far.test", ok, bad, ok, "550 5.7.1 The name in your hello does not exist", 2},
      {"h.far.test", ok, trouble, ok, "450 4.7.1 The name in your hello cannot be looked up now",
       2},
      {"far", ok, ok, ok, "504 5.5.2 Hello needs a fully qualified host name", 2},
      {"MX.example.org.", ok, ok, ok, "550 5.7.1 Hello with my name", 2},
      {"[192.0.2.7]", ok, unasked, ok, "250 2.1.0 Ok", 0},
      {"[192.0.2.8]", ok, unasked, ok, "550 5.7.1 Hello with an address that is not yours", 2},
      {"h.far.test", ok, ok, bad, "550 5.1.8 The sender's domain does not exist", 3},
      {"h.far.test", ok, ok, null_mx, "550 5.7.27 The sender's domain takes no mail", 3},
      {"h.far.test", ok, ok, trouble, "451 4.4.3 The sender's domain cannot be looked up now", 3},
  };
  config::Config config = strict();
  Policy policy(config);
  Client stranger = policy.classify("192.0.2.7");
  mail::Address sender = mail::Address::from_text("a@far.test");
  for (const Row& row : rows) {
    INFO(row.hello << " " << row.want);
    dns::ClientFacts facts = good();
    facts.client = row.client;
    facts.hello = row.name;
    facts.sender = row.sender;
    Verdict verdict =
        policy.mail(stranger, config::ListenerProtocol::smtp, row.hello, sender, facts);
    CHECK(verdict.reply.one_line() == row.want);
    CHECK(verdict.origin->line == row.line);
    // Whom we know is not asked.
    Client known = stranger;
    known.account = "anna";
    CHECK(policy.mail(known, config::ListenerProtocol::smtp, row.hello, sender, facts).accepted);
    // And nothing is asked where nothing is configured.
    config::Config lenient;
    lenient.hostname = "mx.example.org";
    CHECK((row.sender != ok ||
           Policy(lenient)
               .mail(stranger, config::ListenerProtocol::smtp, row.hello, sender, facts)
               .accepted));
  }
}

TEST_CASE("receive 10: what strangers may call themselves is a key") {
  config::Config config;
  config.domains.push_back({{"example.org"}, config::RecipientCheck::any, {}, {}});
  config.access.trusted_networks = {*config::parse_network("192.0.2.1")};
  for (auto check : {config::HelloCheck::syntax, config::HelloCheck::any}) {
    config.access.hello = check;
    Policy policy(config);
    auto verdict = [&](const char* client, const char* hello) {
      return policy
          .mail(policy.classify(client), config::ListenerProtocol::smtp, hello,
                mail::Address::from_text("a@far.test"))
          .reply.code;
    };
    bool any = check == config::HelloCheck::any;
    CHECK(verdict("192.0.2.9", "my laptop") == (any ? 250 : 501));
    CHECK(verdict("192.0.2.9", "[2001:db8::19]") == (any ? 250 : 501));
    CHECK(verdict("192.0.2.9", "[unknown]") == (any ? 250 : 501));
    CHECK(verdict("192.0.2.9", "laptop") == 250);
    CHECK(verdict("192.0.2.9", "[192.0.2.77]") == 250);
    CHECK(verdict("192.0.2.1", "my laptop") == 250);
  }
}

TEST_CASE("checks of strangers: a rule that allows comes before them") {
  config::Config config = strict();
  config::Rule rule;
  rule.senders = {"far.test"};
  rule.action = config::RuleAction::allow;
  rule.origin = {"t.toml", 5, 1};
  config.rules.push_back(rule);
  Policy policy(config);
  dns::ClientFacts facts{bad, {}, bad, bad};
  Client stranger = policy.classify("192.0.2.7");
  auto mail_from = [&](const char* sender) {
    return policy
        .mail(stranger, config::ListenerProtocol::smtp, "h", mail::Address::from_text(sender),
              facts)
        .accepted;
  };
  CHECK(mail_from("a@far.test"));
  CHECK_FALSE(mail_from("a@else.test"));
}

TEST_CASE("rules by the client's name") {
  struct {
    const char* pattern;
    LookupState looked;
    const char* name;
    bool refused;
  } rows[] = {
      {"host.far.test", ok, "host.far.test", true},
      {"far.test", ok, "host.far.test", false},
      {".far.test", ok, "host.far.test", true},
      {".far.test", ok, "far.test", false},
      {".far.test", bad, "", false},
      {"unknown", bad, "", true},
      {"unknown", ok, "host.far.test", false},
      {"unknown", trouble, "", false},  // nobody can say so for good
      {"unknown", unasked, "", false},
      {"*", ok, "host.far.test", true},
      {"*", bad, "", false},
  };
  for (const auto& row : rows) {
    INFO(row.pattern << " " << row.name);
    config::Config config;
    config::Rule rule;
    rule.client_names = {row.pattern};
    rule.origin = {"t.toml", 5, 1};
    config.rules.push_back(rule);
    CHECK(asks_client(config));
    Policy policy(config);
    Verdict verdict = policy.mail(policy.classify("192.0.2.7"), config::ListenerProtocol::smtp, "h",
                                  mail::Address::from_text("a@far.test"),
                                  {row.looked, row.name, unasked, unasked});
    CHECK(verdict.accepted != row.refused);
  }
}
