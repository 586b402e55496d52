// [auth] and [[rule]]: who may log in, as whom they may send, and the operator's own refusals.

#include <algorithm>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"
#include "common/mail/address_pattern.h"

namespace postwain::config {

namespace {

constexpr std::size_t kSocketPathMax = 107;  // sockaddr_un of Linux, less the final zero

void read_users(Section& section, Auth& auth) {
  const Origin& at = section.origin_of("users_file");
  auto content = section.context().read(NamedFile{auth.users_file, FileUse::users}, at);
  if (!content) return;
  sasl::UsersFile file = sasl::parse_users(*content);
  for (const sasl::UsersMistake& mistake : file.mistakes)
    section.context().error(Origin{auth.users_file, mistake.line, mistake.column}, mistake.message);
  auth.users = std::move(file.users);
}

// "*", "<>", "user@domain", "domain", ".domain"
bool is_address_pattern(std::string_view text) {
  if (text == "*" || text == "<>" || is_mailbox(text)) return true;
  if (!text.empty() && text.front() == '.') text.remove_prefix(1);
  return is_domain(text);
}

// account: pattern, pattern
void read_grant(Context& context, const Origin& at, std::string_view line, Auth& auth) {
  std::size_t colon = line.rfind(':');
  if (colon == std::string_view::npos || trim(line.substr(0, colon)).empty())
    return context.error(at, "a line of the senders file is account: address, domain, ...");
  SenderGrant grant{std::string(trim(line.substr(0, colon))), {}};
  for (std::string_view word : split(line.substr(colon + 1), ',')) {
    std::string pattern = mail::canonical_pattern(trim(word));
    if (is_address_pattern(pattern))
      grant.patterns.push_back(std::move(pattern));
    else
      context.error(
          at, fmt::format("'{}' is not an address, domain, .domain or *", printable(trim(word))));
  }
  auth.grants.push_back(std::move(grant));
}

void read_senders(Section& section, Auth& auth) {
  const Node* node = section.find("senders", Node::Kind::string);
  if (node == nullptr || node->text == "any") return;
  auth.senders = Senders::own;
  auth.senders_origin = node->origin;
  if (node->text == "own") return;
  std::string path = node->text.compare(0, 5, "file:") == 0 ? node->text.substr(5) : std::string();
  if (path.empty())
    return section.error(*node, fmt::format("senders must be any, own or file:/path, not '{}'",
                                            printable(node->text)));
  auth.senders = Senders::listed;
  auto content = section.context().read(NamedFile{path, FileUse::users}, node->origin);
  if (!content) return;
  int number = 0;
  for (std::string_view line : split(*content, '\n')) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    line = trim(line);
    if (!line.empty() && line.front() != '#')
      read_grant(section.context(), Origin{path, number, 1}, line, auth);
  }
}

void read_author(Section& section, Auth& auth) {
  section.choice(
      "author", auth.author,
      {{"off", AuthorCheck::off}, {"hold", AuthorCheck::hold}, {"refuse", AuthorCheck::refuse}});
  if (auth.author != AuthorCheck::off && auth.senders == Senders::any)
    section.context().error(section.origin_of("author"),
                            "author needs senders = \"own\" or \"file:/path\": as it is, each "
                            "account may send as anybody");
}

void read_patterns(Section& section, std::string_view key, std::vector<std::string>& out) {
  for (const Node* node : section.texts(key, true)) {
    std::string pattern = mail::canonical_pattern(node->text);
    if (is_address_pattern(pattern))
      out.push_back(std::move(pattern));
    else
      section.error(*node, fmt::format("'{}' is not an address, domain, .domain, <> or *",
                                       printable(node->text)));
  }
}

void read_rule(Section& section, Rule& rule) {
  read_clients(section, rule.clients);
  for (const Node* node : section.texts("client_name", true))
    rule.client_names.push_back(mail::canonical_pattern(node->text));
  for (const Node* node : section.texts("hello", true))
    rule.hellos.push_back(mail::canonical_pattern(node->text));
  read_patterns(section, "sender", rule.senders);
  read_patterns(section, "recipient", rule.recipients);
  if (section.find("action") == nullptr) section.missing("action");
  section.choice("action", rule.action,
                 {{"allow", RuleAction::allow},
                  {"refuse", RuleAction::refuse},
                  {"defer", RuleAction::defer},
                  {"discard", RuleAction::discard}});
  if (section.text("text", rule.text) && (!is_ascii(rule.text) || rule.text.size() > 400))
    section.context().error(section.origin_of("text"),
                            "text must be ASCII of at most 400 characters");
}

void read_limit(Section& section, SendingLimit& limit) {
  bool any = section.rate("message_rate", limit.messages);
  any = section.rate("recipient_rate", limit.recipients) || any;
  any = section.choice("over_rate", limit.over,
                       {{"hold", OverRate::hold}, {"refuse", OverRate::refuse}}) ||
        any;
  if (any) limit.origin = section.origin();
}

// What an [[auth.account]] leaves open is as for everybody.
void read_account_limits(Section& section, Auth& auth) {
  for (const Node* table : section.tables("account")) {
    Section account(section.context(), *table, "[[auth.account]]");
    AccountLimit own{{}, auth.limit};
    if (account.find("name") == nullptr) account.missing("name");
    for (const Node* node : account.texts("name", true)) {
      for (const AccountLimit& other : auth.account_limits)
        if (std::find(other.names.begin(), other.names.end(), node->text) != other.names.end())
          account.error(*node, fmt::format("the account {} has a table already at {}",
                                           printable(node->text), other.limit.origin.text()));
      own.names.push_back(node->text);
    }
    read_limit(account, own.limit);
    own.limit.origin = table->origin;
    account.finish();
    auth.account_limits.push_back(std::move(own));
  }
}

void read_certificates(Section& section, Auth& auth) {
  section.choice("certificate_name", auth.certificate_name,
                 {{"none", CertificateName::none},
                  {"email", CertificateName::email},
                  {"common_name", CertificateName::common_name}});
  for (const Node* table : section.tables("certificate")) {
    Section one(section.context(), *table, "[[auth.certificate]]");
    CertificateAccount entry;
    if (one.find("fingerprint") == nullptr) one.missing("fingerprint");
    if (one.find("account") == nullptr) one.missing("account");
    std::string text;
    if (one.text("fingerprint", text)) {
      entry.fingerprint.origin = table->origin;
      if (!parse_fingerprint(text, entry.fingerprint.sha256))
        one.context().error(one.origin_of("fingerprint"), not_a_fingerprint(text));
    }
    if (one.text("account", entry.account) && entry.account.empty())
      one.context().error(one.origin_of("account"), "account must not be empty");
    one.finish();
    auth.certificates.push_back(std::move(entry));
  }
}

}  // namespace

void read_auth(Context& context, const Node* table, Auth& auth) {
  if (table == nullptr) return;
  Section section(context, *table, "[auth]");
  if (section.text("users_file", auth.users_file)) read_users(section, auth);
  if (section.text("dovecot_socket", auth.dovecot_socket) && !auth.users_file.empty())
    context.error(section.origin_of("dovecot_socket"),
                  "only one of users_file and dovecot_socket can be asked");
  if (auth.dovecot_socket.size() > kSocketPathMax)
    context.error(section.origin_of("dovecot_socket"), "this path is too long for a socket");
  section.duration("failure_delay", auth.failure_delay, Duration(0), std::chrono::minutes(1));
  if (const Node* node = section.find("lockout", Node::Kind::string))
    if (!parse_rate(node->text, auth.lockout_failures, auth.lockout_period))
      section.error(*node, fmt::format("'{}' is not a rate (such as 10/min, 100/hour, 500/day)",
                                       printable(node->text)));
  read_senders(section, auth);
  read_author(section, auth);
  read_limit(section, auth.limit);
  read_account_limits(section, auth);
  read_certificates(section, auth);
  section.finish();
}

void read_rules(Context& context, const std::vector<const Node*>& tables,
                std::vector<Rule>& rules) {
  for (const Node* table : tables) {
    Section section(context, *table, "[[rule]]");
    Rule rule;
    rule.origin = table->origin;
    read_rule(section, rule);
    section.finish();
    rules.push_back(std::move(rule));
  }
}

}  // namespace postwain::config
