// The operator's rules: what matches, and which of them decides.
#include <catch2/catch.hpp>

#include "common/mail/address_pattern.h"
#include "smtpd/acceptance/access_rules.h"

using namespace postwain;
using namespace postwain::smtpd;

namespace {

const config::Rule* decide(const std::vector<config::Rule>& rules, const std::string& client,
                           const char* hello, const char* from, const char* to) {
  mail::Address sender = mail::Address::from_text(from);
  if (to == nullptr) return deciding_rule(rules, {client, hello, sender, nullptr});
  mail::Address recipient = mail::Address::from_text(to);
  return deciding_rule(rules, {client, hello, sender, &recipient});
}

}  // namespace

TEST_CASE("patterns of rules", "[rules]") {
  auto matches = [](const char* pattern, const char* address) {
    return mail::matches_address(pattern, mail::Address::from_text(address));
  };
  CHECK(matches("*", "a@b.test"));
  CHECK(matches("*", ""));
  CHECK(matches("<>", ""));
  CHECK_FALSE(matches("<>", "a@b.test"));
  CHECK_FALSE(matches("b.test", ""));
  CHECK(matches("b.test", "a@B.Test"));
  CHECK_FALSE(matches("b.test", "a@x.b.test"));
  CHECK(matches(".b.test", "a@x.b.test"));
  CHECK_FALSE(matches(".b.test", "a@b.test"));
  CHECK_FALSE(matches(".b.test", "a@xb.test"));
  CHECK(matches("a@b.test", "\"A\"@b.test"));
  CHECK_FALSE(matches("a@b.test", "aa@b.test"));
}

TEST_CASE("the first rule whose conditions all hold decides", "[rules]") {
  std::vector<config::Rule> rules(4);
  rules[0].clients = {*config::parse_network("192.0.2.0/24")};
  rules[0].senders = {"good@x.test"};
  rules[0].action = config::RuleAction::allow;
  rules[1].clients = {*config::parse_network("192.0.2.0/24")};
  rules[1].action = config::RuleAction::refuse;
  rules[2].recipients = {"closed@ours.test"};
  rules[2].action = config::RuleAction::defer;
  rules[2].text = "closed for now";
  rules[3].hellos = {".dyn.test", "localhost"};
  rules[3].action = config::RuleAction::refuse;
  CHECK(decide(rules, "192.0.2.7", "h", "good@x.test", nullptr) == &rules[0]);
  CHECK(decide(rules, "192.0.2.7", "h", "bad@x.test", nullptr) == &rules[1]);
  CHECK(decide(rules, "192.0.3.7", "h", "bad@x.test", nullptr) == nullptr);
  // At MAIL the rule about the recipient stands before the one about the hello.
  CHECK(decide(rules, "192.0.3.7", "pc.DYN.test", "a@x.test", nullptr) == nullptr);
  CHECK(decide(rules, "192.0.3.7", "pc.DYN.test", "a@x.test", "b@ours.test") == &rules[3]);
  CHECK(decide(rules, "192.0.3.7", "pc.dyn.test", "a@x.test", "closed@ours.test") == &rules[2]);
  CHECK(decide(rules, "192.0.3.7", "dyn.test", "a@x.test", "b@ours.test") == nullptr);
  CHECK(reply_of(rules[1]).one_line() == "554 5.7.1 Access denied");
  CHECK(reply_of(rules[2]).one_line() == "450 4.7.1 closed for now");
}
