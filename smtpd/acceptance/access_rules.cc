#include "smtpd/acceptance/access_rules.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/mail/address_pattern.h"

namespace postwain::smtpd {

namespace {

// A client of whom nobody can say now whether he has a name is neither this one nor unknown.
bool matches_name(const config::Rule& rule, const dns::ClientFacts* facts) {
  if (rule.client_names.empty()) return true;
  if (facts == nullptr) return false;
  return std::any_of(rule.client_names.begin(), rule.client_names.end(),
                     [&](const std::string& pattern) {
                       if (pattern == "unknown") return facts->client == dns::LookupState::bad;
                       return facts->client == dns::LookupState::good &&
                              mail::matches_domain(pattern, facts->name);
                     });
}

bool matches_any(const std::vector<std::string>& patterns, const mail::Address& address) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return mail::matches_address(pattern, address);
  });
}

bool matches_hello(const config::Rule& rule, const std::string& hello) {
  return std::any_of(rule.hellos.begin(), rule.hellos.end(), [&](const std::string& pattern) {
    return mail::matches_domain(pattern, hello);
  });
}

}  // namespace

bool lies_in(const std::vector<config::Network>& networks, const std::string& client) {
  static const std::string kHere = "127.0.0.1";
  const std::string& compared = client.empty() ? kHere : client;
  return std::any_of(networks.begin(), networks.end(), [&](const config::Network& network) {
    return config::contains(network, compared);
  });
}

const config::Rule* deciding_rule(const std::vector<config::Rule>& rules,
                                  const Presented& presented) {
  if (rules.empty()) return nullptr;
  std::string hello = mail::domain_key(presented.hello);
  for (const config::Rule& rule : rules) {
    if (!rule.clients.empty() && !lies_in(rule.clients, presented.client)) continue;
    if (!matches_name(rule, presented.facts)) continue;
    if (!rule.hellos.empty() && !matches_hello(rule, hello)) continue;
    if (!rule.senders.empty() && !matches_any(rule.senders, presented.sender)) continue;
    if (rule.recipients.empty()) return &rule;
    if (presented.recipient == nullptr) return nullptr;
    if (matches_any(rule.recipients, *presented.recipient)) return &rule;
  }
  return nullptr;
}

mail::Reply reply_of(const config::Rule& rule) {
  bool refuse = rule.action == config::RuleAction::refuse;
  if (refuse) return {554, {5, 7, 1}, rule.text.empty() ? std::string("Access denied") : rule.text};
  return {450, {4, 7, 1}, rule.text.empty() ? std::string("Try again later") : rule.text};
}

}  // namespace postwain::smtpd
