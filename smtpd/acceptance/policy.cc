#include "smtpd/acceptance/policy.h"

#include <utility>

#include "common/authentication/dmarc/author_domain.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/mail/address_pattern.h"
#include "smtpd/acceptance/access_rules.h"

namespace postwain::smtpd {

namespace {

const config::Origin kNoOrigin{};

constexpr std::size_t kAuthorShown = 100;  // octets of a name in a reply

// A reply is ASCII (RFC 5321 2.4), whatever the client has negotiated for its mail.
std::string shown_in_reply(std::string_view text) {
  std::string out = printable(text, kAuthorShown);
  for (char& c : out)
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  return out;
}

Verdict accept(const char* text, const config::Origin& origin, std::string_view reason) {
  return {true, {250, {2, 1, 5}, text}, &origin, reason};
}

Verdict refuse(mail::Reply reply, const config::Origin& origin, std::string_view reason) {
  return {false, std::move(reply), &origin, reason};
}

mail::Reply relay_denied() {
  return {550, {5, 7, 1}, "Relay access denied"};
}

// The operator can mend it; until then the client keeps the mail.
mail::Reply alias_fault() {
  return {451, {4, 3, 5}, "The alias of this recipient cannot be used, try again later"};
}

// A local part that names another host. Behind us may stand a system that still obeys it, so from
// strangers we do not even pass it on. It is asked of what the client wrote, whatever rewriting
// makes of it, because a tag goes with the address that comes out. The operator may list such a
// name.
bool names_another_host(std::string_view local) {
  return local.find_first_of("%!@") != std::string_view::npos;
}

SrsReturn worth_of(rewrite::SrsProblem problem) {
  if (problem == rewrite::SrsProblem::not_srs) return SrsReturn::none;
  return problem == rewrite::SrsProblem::expired ? SrsReturn::expired : SrsReturn::forged;
}

Verdict as_return(SrsReturn worth, Verdict verdict) {
  verdict.srs = worth;
  return verdict;
}

}  // namespace

Policy::Policy(const config::Config& config) : config_(config), rewriter_(config.addresses) {
  const config::SrsRewriting& srs = config.srs;
  if (srs.is_on()) srs_.emplace(rewrite::SrsSettings{srs.domain, srs.secrets, srs.separator});
  own_domains_.reserve(config.domains.size());
  for (const config::Domain& domain : config.domains) {
    OwnDomain own{&domain, {domain.allowed.begin(), domain.allowed.end()}};
    for (const std::string& name : domain.names)
      by_name_.emplace(mail::canonical_pattern(name), own_domains_.size());  // the first one wins
    own_domains_.push_back(std::move(own));
  }
}

bool Policy::takes_dsn(const Client& client) const {
  return config_.access.dsn == config::DsnFor::all || client.may_relay();
}

Client Policy::classify(const std::string& plain_address) const {
  Client client{plain_address, false, {}, {}};
  const std::string& compared = plain_address.empty() ? std::string("127.0.0.1") : plain_address;
  for (const config::Network& network : config_.access.trusted_networks) {
    if (!config::contains(network, compared)) continue;
    client.trusted = true;
    client.trusted_by = network.origin;
    break;
  }
  return client;
}

Verdict Policy::mail(const Client& client, config::ListenerProtocol protocol,
                     std::string_view hello, const mail::Address& from,
                     const dns::ClientFacts& facts) const {
  Verdict verdict = sender(client, protocol);
  if (!verdict.accepted) return verdict;
  if (Verdict own = account_sender(client, from); !own.accepted) return own;
  Verdict ruled = rules(client, hello, from, nullptr, facts);
  if (!ruled.accepted) return ruled;
  // Whom we know, and whom a rule allows, need not show more.
  if (client.may_relay() || ruled.origin->line > 0) return verdict;
  if (auto found = objection(config_, client.address, hello, facts))
    return refuse(std::move(found->reply), *found->origin, found->reason);
  return verdict;
}

Verdict Policy::rcpt(const Client& client, std::string_view hello, const mail::Address& from,
                     const mail::Address& to, WallTime now, const dns::ClientFacts& facts) const {
  Verdict ruled = rules(client, hello, from, &to, facts);
  if (!ruled.accepted || ruled.discard) return ruled;
  if (auto back = returned(from, to, now)) return *std::move(back);
  return recipient(client, to);
}

// RFC 6409 4.3: a submission server takes mail from people it knows only.
Verdict Policy::sender(const Client& client, config::ListenerProtocol protocol) const {
  if (protocol == config::ListenerProtocol::submission && !client.may_relay())
    return refuse({530, {5, 7, 0}, "Authentication required"}, kNoOrigin,
                  "submission from a stranger");
  Verdict verdict = accept("Ok", kNoOrigin, "any sender");
  verdict.reply.enhanced = {2, 1, 0};
  return verdict;
}

Verdict Policy::account_sender(const Client& client, const mail::Address& sender) const {
  if (client.account.empty() || config_.auth.senders == config::Senders::any || sender.is_null() ||
      owns(client.account, sender))
    return accept("Ok", config_.auth.senders_origin, "sender of the account");
  return refuse({553, {5, 7, 1}, "Sender address not owned by your account"},
                config_.auth.senders_origin, "another's sender address");
}

AuthorFinding Policy::author(const std::string& account, std::string_view header) const {
  if (account.empty() || config_.auth.senders == config::Senders::any) return {};
  bool any = false;
  for (std::string_view name : {"From", "Sender"}) {
    auto addresses = authentication::addresses_in(header, name);
    if (!addresses) return {false, std::string(name) + " cannot be read as a list of addresses"};
    for (const mail::Address& one : *addresses)
      if (!owns(account, one))
        return {false,
                shown_in_reply(account) + " may not write as <" + shown_in_reply(one.text()) + '>'};
    any = any || (name == "From" && !addresses->empty());
  }
  if (!any) return {false, "From names no author"};
  return {};
}

// Who owns an address owns its tagged forms: the operator said what the separator means.
bool Policy::owns(const std::string& account, const mail::Address& sender) const {
  if (owns_exactly(account, sender)) return true;
  std::string local = sender.local_unquoted();
  std::string_view base = rewriter_.without_tag(local);
  return base.size() < local.size() && owns_exactly(account, mail::Address(base, sender.domain()));
}

// An account without domain owns its name at every domain of ours that is written out.
bool Policy::owns_exactly(const std::string& account, const mail::Address& sender) const {
  if (config_.auth.senders == config::Senders::own) {
    std::string local = to_lower(sender.local_unquoted());
    std::string domain = sender.domain_key();
    std::string name = mail::address_key(account);
    if (name.find('@') != std::string::npos) return name == local + '@' + domain;
    return name == local &&
           (by_name_.contains(domain) || domain == mail::domain_key(config_.hostname));
  }
  for (const config::SenderGrant& grant : config_.auth.grants) {
    if (grant.account != account) continue;
    for (const std::string& pattern : grant.patterns)
      if (mail::matches_address(pattern, sender)) return true;
  }
  return false;
}

Verdict Policy::rules(const Client& client, std::string_view hello, const mail::Address& sender,
                      const mail::Address* recipient, const dns::ClientFacts& facts) const {
  const config::Rule* rule =
      deciding_rule(config_.rules, {client.address, hello, sender, recipient, &facts});
  if (rule == nullptr) return accept("Ok", kNoOrigin, "no rule");
  if (rule->action == config::RuleAction::allow) return accept("Ok", rule->origin, "rule");
  if (rule->action == config::RuleAction::discard) {
    Verdict verdict = accept("Ok", rule->origin, "rule, which discards it");
    verdict.discard = true;
    return verdict;
  }
  return refuse(reply_of(*rule), rule->origin, "rule");
}

Verdict Policy::recipient(const Client& client, const mail::Address& recipient) const {
  // RFC 5321 4.5.1: <postmaster> without domain is always ours.
  if (!recipient.has_domain()) return accept("Ok", kNoOrigin, "postmaster");
  std::string domain = recipient.domain_key();
  if (const OwnDomain* own = find_domain(domain)) {
    Verdict verdict = own_recipient(*own, recipient);
    bool only_relay = !verdict.accepted && verdict.reply.enhanced == mail::EnhancedCode{5, 7, 1};
    if (!client.may_relay() || !only_relay) return verdict;
  }
  if (client.may_relay() && !rewriter_.idle())
    if (rewrite::Resolved found = rewriter_.resolve(recipient);
        found.problem == rewrite::Problem::fault)
      return refuse(alias_fault(), *found.origin, "alias that cannot be used");
  if (client.trusted) return accept("Ok", client.trusted_by, "trusted network");
  if (!client.account.empty()) return accept("Ok", kNoOrigin, "logged in");
  return refuse(relay_denied(), kNoOrigin, "not our domain");
}

std::optional<Verdict> Policy::returned(const mail::Address& sender, const mail::Address& recipient,
                                        WallTime now) const {
  const config::SrsRewriting& srs = config_.srs;
  if (!srs_ || !recipient.has_domain() || recipient.domain_key() != srs.domain) return std::nullopt;
  if (!srs_->is_ours(recipient) && srs.shared) return std::nullopt;
  rewrite::SrsOutcome found = srs_->reverse(recipient, now);
  if (found.problem == rewrite::SrsProblem::not_srs &&
      iequals(recipient.local_unquoted(), "postmaster"))
    return accept("Ok", srs.origin, "postmaster");
  if (found.problem != rewrite::SrsProblem::none)
    return as_return(worth_of(found.problem), refuse({550,
                                                      {5, 1, 1},
                                                      "Recipient address rejected: it " +
                                                          std::string(text_of(found.problem))},
                                                     srs.origin, "mail to the domain of [srs]"));
  if (!sender.is_null() && srs.returns == config::SrsReturns::null_sender)
    return as_return(SrsReturn::no_notice,
                     refuse({550, {5, 7, 1}, "This address takes notices only, which come from <>"},
                            srs.origin, "mail to a rewritten sender"));
  return as_return(SrsReturn::taken, accept("Ok", srs.origin, "a sender that was rewritten here"));
}

Verdict Policy::own_recipient(const OwnDomain& own, const mail::Address& recipient) const {
  Verdict verdict = existing_recipient(own, recipient);
  std::string local = to_lower(recipient.local_unquoted());
  bool disguised = names_another_host(local) && !rewriter_.has_line(recipient) &&
                   !lists(own, local, recipient.domain_key());
  if (verdict.accepted && disguised)
    return refuse(relay_denied(), own.domain->origin, "relay in disguise");
  return verdict;
}

Verdict Policy::existing_recipient(const OwnDomain& own, const mail::Address& recipient) const {
  if (rewriter_.idle()) return local_recipient(own, recipient, recipient.domain_key());
  rewrite::Resolved found = rewriter_.resolve(recipient);
  switch (found.problem) {
    case rewrite::Problem::none:
      break;
    case rewrite::Problem::fault:
      return refuse(alias_fault(), *found.origin, "alias that cannot be used");
    case rewrite::Problem::nobody:
      return refuse({550, {5, 2, 4}, "The list has no members"}, *found.origin, "empty list");
    case rewrite::Problem::loop:
    case rewrite::Problem::too_many:
      return refuse({550, {5, 4, 6}, "The address leads back to itself"}, *found.origin,
                    "loop of addresses");
    case rewrite::Problem::unknown:
    case rewrite::Problem::unfit:
      return refuse({550, {5, 1, 3}, "The address stands for one that cannot be written"},
                    *found.origin, "no address comes of it");
  }
  if (!found.changed) return local_recipient(own, recipient, recipient.domain_key());
  if (found.several) return accept("Ok", *found.origin, "stands for others");
  // To one other: where the next hop knows who exists, it is asked for that one.
  const OwnDomain* target = find_domain(found.address.domain_key());
  Verdict verdict = accept("Ok", *found.origin, "stands for another");
  if (target != nullptr && target->domain->recipients == config::RecipientCheck::probe) {
    verdict.probe = true;
    verdict.probed = std::move(found.address);
  }
  return verdict;
}

// The exact name first, then ".parent" from the nearest parent up. An address literal has no
// parents and is nobody's domain.
const Policy::OwnDomain* Policy::find_domain(const std::string& key) const {
  auto found = by_name_.find(key);
  if (found != by_name_.end()) return &own_domains_[found->second];
  if (key.empty() || key.front() == '[') return nullptr;
  for (std::size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', dot + 1)) {
    found = by_name_.find(key.substr(dot));
    if (found != by_name_.end()) return &own_domains_[found->second];
  }
  return nullptr;
}

bool Policy::lists(const OwnDomain& own, const std::string& local, const std::string& domain) {
  return own.allowed.contains(local + '@' + domain) ||
         (local.find('@') == std::string::npos && own.allowed.contains(local));
}

Verdict Policy::local_recipient(const OwnDomain& own, const mail::Address& recipient,
                                const std::string& domain) const {
  const config::Origin& origin = own.domain->origin;
  std::string local = to_lower(recipient.local_unquoted());
  if (local == "postmaster") return accept("Ok", origin, "postmaster");
  switch (own.domain->recipients) {
    case config::RecipientCheck::any:
    case config::RecipientCheck::probe:
      if (own.domain->recipients == config::RecipientCheck::probe) {
        Verdict verdict = accept("Ok", origin, "our domain, if the next hop knows the recipient");
        verdict.probe = true;
        verdict.probed = recipient;
        return verdict;
      }
      return accept("Ok", origin, "our domain");
    case config::RecipientCheck::list:
      if (lists(own, local, domain)) return accept("Ok", origin, "listed recipient");
      if (std::string_view base = rewriter_.without_tag(local);
          base.size() < local.size() && lists(own, std::string(base), domain))
        return accept("Ok", origin, "listed recipient, with a tag");
      return refuse({550, {5, 1, 1}, "Recipient address rejected: user unknown"}, origin,
                    "not listed");
  }
  return refuse(relay_denied(), origin, "");
}

}  // namespace postwain::smtpd
