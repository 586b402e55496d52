#include "postwain/explain/explanation.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/rewrite/rewriter.h"
#include "filter/deciding/stranger_score.h"
#include "postwain/explain/explanation_bounds.h"
#include "postwain/explain/explanation_signing.h"
#include "qmgr/routing/forwarding.h"

namespace postwain::tool {

namespace {

Decision decision_of(const mail::Reply& reply) {
  if (reply.permanent()) return Decision::refuse;
  return reply.transient() ? Decision::defer : Decision::accept;
}

smtpd::Client client_of(const smtpd::Policy& policy, const Question& question) {
  // Nobody's network: an address that is none.
  smtpd::Client client = policy.classify(question.client.empty() ? "?" : question.client);
  client.account = question.account;
  return client;
}

ExplainedStep client_step(const smtpd::Client& client, const Question& question) {
  std::string who = question.client.empty() ? "a stranger" : question.client;
  if (!question.facts.name.empty()) who += fmt::format(" ({})", question.facts.name);
  if (!client.account.empty()) who += fmt::format(", logged in as {}", client.account);
  if (client.trusted)
    return {"client", who + " is in trusted_networks and may send anywhere",
            client.trusted_by.text()};
  return {"client",
          who + (client.may_relay() ? " may send anywhere" : " may send to our domains only"),
          config::Origin{}.text()};
}

// True: it goes on.
bool add_verdict(Explanation& out, const char* name, const std::string& address,
                 const smtpd::Verdict& verdict) {
  out.reply = verdict.reply;
  out.decision = decision_of(verdict.reply);
  const config::Origin none{};
  out.decided_by = out.steps.size();
  out.steps.push_back({name,
                       fmt::format("<{}> {}: {} ({})", address,
                                   out.decision == Decision::accept  ? "is accepted"
                                   : out.decision == Decision::defer ? "is put off"
                                                                     : "is refused",
                                   verdict.reply.one_line(), verdict.reason),
                       (verdict.origin != nullptr ? *verdict.origin : none).text()});
  return verdict.accepted;
}

std::string problem_text(const std::string& address, rewrite::Problem problem) {
  return fmt::format("<{}> {}", address, rewrite::text_of(problem));
}

void add_copies(Explanation& out, const rewrite::Rewriter& rewriter, const mail::Address& sender,
                const mail::Address& recipient) {
  if (out.decision != Decision::accept) return;
  for (const rewrite::BlindCopy& copy : rewriter.recipient_copies(recipient))
    out.steps.push_back({"bcc",
                         fmt::format("<{}> gets a copy of what comes for <{}>", copy.address.text(),
                                     recipient.text()),
                         copy.origin.text()});
  for (const rewrite::BlindCopy& copy : rewriter.sender_copies(sender))
    out.steps.push_back(
        {"bcc",
         fmt::format("<{}> gets a copy of what <{}> sends", copy.address.text(), sender.text()),
         copy.origin.text()});
}

// Where mail comes from, and when.
struct MailOrigin {
  mail::Address sender;  // in its canonical form
  const std::string& client;
  WallTime now;
};

std::string forwarding_text(const mail::Address& sender, const qmgr::ForwardedSender& found) {
  if (found.problem != rewrite::SrsProblem::none)
    return fmt::format("<{}> stays: it {}", sender.text(), text_of(found.problem));
  std::string text = fmt::format("<{}> {}", sender.text(), text_of(found.need));
  return found.address.is_null() ? text : fmt::format("{} as <{}>", text, found.address.text());
}

// Where it goes, and under which sender; each reason for that is told once.
void add_targets(Explanation& out, const config::Config& config, const qmgr::Router& router,
                 const MailOrigin& from, const rewrite::Expansion& found) {
  qmgr::Forwarding forwarding(config, router);
  qmgr::ForwardedSender leaving;
  if (forwarding.is_on()) leaving = forwarding.sender(from.sender, from.now);
  std::set<std::string> told;
  for (const rewrite::Target& target : found.targets) {
    mail::Address sender = from.sender;
    if (!target.owner.is_null() && !sender.is_null()) {
      sender = target.owner;
    } else if (forwarding.is_on() && !target.discard) {
      bool stays = leaving.need == rewrite::SrsNeed::rewrite &&
                   !forwarding.leaves(target.address, from.sender, from.client);
      qmgr::ForwardedSender here = leaving;
      if (stays) here = {rewrite::SrsNeed::recipient_inside};
      std::string what = forwarding_text(from.sender, here);
      if (told.insert(what).second)
        out.steps.push_back({"srs", std::move(what), config.srs.origin.text()});
      if (!here.address.is_null()) sender = std::move(here.address);
    }
    std::string key = target.discard ? mail::NextHop{mail::HopKind::discard, {}, {}}.key()
                                     : router.route(target.address, sender, from.client).key;
    out.targets.push_back({target.address.text(),
                           sender == from.sender ? std::string() : sender.text(), std::move(key)});
  }
}

// The first address the mail would go to.
mail::Address add_rewriting(Explanation& out, const config::Config& config,
                            const qmgr::Router& router, const mail::Address& sender,
                            const mail::Address& recipient, const Question& question) {
  rewrite::Rewriter rewriter(config.addresses, config.srs);
  if (mail::Address from = rewriter.sender(sender); from != sender)
    out.steps.push_back(
        {"sender", fmt::format("<{}> becomes <{}>", sender.text(), from.text()), {}});
  add_copies(out, rewriter, sender, recipient);
  rewrite::Expansion found = rewriter.expand(recipient, true);
  for (const rewrite::Step& step : found.steps)
    out.steps.push_back({std::string(step.map),
                         fmt::format("<{}> stands for <{}>", step.from, step.to),
                         step.origin.text()});
  if (found.problem != rewrite::Problem::none) {
    out.decided_by = out.steps.size();
    out.steps.push_back(
        {"addresses", problem_text(recipient.text(), found.problem), found.origin.text()});
    if (out.decision == Decision::accept) {
      out.decision = Decision::refuse;
      out.reply = {550, {5, 2, 4}, "What a recipient stands for cannot be worked out"};
    }
    return recipient;
  }
  if (found.changed)
    add_targets(out, config, router, {rewriter.sender(sender), question.client, question.now},
                found);
  return found.targets.front().address;
}

std::string_view failure_text(config::FilterFailure on_failure) {
  constexpr std::string_view kTexts[] = {"goes on", "is put off", "is refused", "is held"};
  return kTexts[static_cast<std::size_t>(on_failure)];
}

// Who is asked about mail that has been accepted so far, in their order; only they know what they
// will say.
void add_filters(Explanation& out, const config::Config& config, bool submission) {
  config::Listener of_kind;
  if (submission) of_kind.protocol = config::ListenerProtocol::submission;
  for (const config::Filter& filter : config.filters) {
    bool here = filter.is_on(of_kind);
    std::string where;
    for (const config::Listener& listener : config.listeners)
      if (!here && kind_of(listener) == kind_of(of_kind) && filter.is_on(listener))
        where += (where.empty() ? " at " : ", ") + listener.name();
    if (!here && where.empty()) continue;
    std::string what = fmt::format(
        "{} at {} {}{}; without an answer the mail {}", filter.name, filter.socket.text(),
        filter.mode == config::FilterMode::watch ? "watches" : "judges",
        here ? "" : " what comes in" + where,
        filter.mode == config::FilterMode::watch ? "goes on" : failure_text(filter.on_failure));
    out.steps.push_back({"filter", std::move(what), filter.origin.text()});
    if (here) out.filters.push_back(filter.name);
  }
}

// The rules for such mail, at whichever listener of its kind it comes in.
void add_content_rules(Explanation& out, const config::Config& config, bool submission) {
  config::Listener of_kind;
  if (submission) of_kind.protocol = config::ListenerProtocol::submission;
  for (const config::ContentRule& rule : config.content_rules) {
    auto asks = [&](const config::Listener& listener) {
      return kind_of(listener) == kind_of(of_kind) && rule.is_on(listener);
    };
    if (!asks(of_kind) && std::none_of(config.listeners.begin(), config.listeners.end(), asks))
      continue;
    std::string_view part = rule.place == config::ContentPlace::part ? "part:" : "";
    out.steps.push_back(
        {"content_rule",
         fmt::format("{}{}: {}{} where {}{} has '{}'", rule.name.empty() ? "a rule" : rule.name,
                     rule.mode == config::FilterMode::watch ? " watches" : "", name_of(rule.action),
                     rule.value.empty() ? "" : " \"" + rule.value + "\"", part,
                     rule.place == config::ContentPlace::body ? "the body" : rule.field,
                     rule.pattern),
         rule.origin.text()});
  }
}

// Before all filters; what the DNS will say of the client only the DNS knows.
void add_strangers(Explanation& out, const config::Config& config, const smtpd::Client& client,
                   const Question& question) {
  const config::Strangers& strangers = config.strangers;
  if (!strangers.wanted || question.submission || client.may_relay()) return;
  if (!filter::judges_mail_to(question.recipient)) return;
  out.judged_as_stranger = true;
  std::string what = fmt::format("{} DNS lists and what is seen of the client make its points",
                                 strangers.lists.size());
  if (strangers.greylist.everyone)
    what += "; it is put off once";
  else if (strangers.greylist_at)
    what += fmt::format("; from {} on it is put off once", *strangers.greylist_at);
  if (strangers.refuse_at) what += fmt::format("; from {} on it is refused", *strangers.refuse_at);
  if (strangers.mode == config::FilterMode::watch) what += "; watched, nothing comes of it";
  out.steps.push_back({"strangers", std::move(what), strangers.origin.text()});
}

void add_authentication(Explanation& out, const config::Config& config, const smtpd::Client& client,
                        bool submission) {
  const config::Authentication& ours = config.authentication;
  if (!ours.wanted || submission || client.may_relay()) return;
  std::string what =
      fmt::format("spf = {}, dkim = {}, dmarc = {}, own_domains = {}, as {}", name_of(ours.spf),
                  name_of(ours.dkim), name_of(ours.dmarc), name_of(ours.own_domains), ours.name);
  if (ours.mode == config::FilterMode::watch) what += "; watched, nothing comes of it";
  out.steps.push_back({"authentication", std::move(what), ours.origin.text()});
}

// What is asked of an account's mail beside the sender of its envelope.
void add_author(Explanation& out, const config::Config& config, const smtpd::Client& client) {
  config::AuthorCheck check = config.auth.author;
  if (client.account.empty() || check == config::AuthorCheck::off) return;
  out.steps.push_back(
      {"author",
       fmt::format("each address in From and Sender has to be one as which {} may "
                   "send, or the mail is {}",
                   client.account, check == config::AuthorCheck::hold ? "held" : "refused"),
       config.place_of("[auth]", "author").text()});
}

}  // namespace

std::string_view name_of(Decision decision) {
  constexpr std::string_view kNames[] = {"accept", "refuse", "defer"};
  return kNames[static_cast<std::size_t>(decision)];
}

Explanation explain(const config::Config& config, const Question& question) {
  Explanation out;
  smtpd::Policy policy(config);
  smtpd::Client client = client_of(policy, question);
  mail::Address sender = mail::Address::from_text(question.sender);
  mail::Address recipient = mail::Address::from_text(question.recipient);
  out.steps.push_back(client_step(client, question));
  auto protocol =
      question.submission ? config::ListenerProtocol::submission : config::ListenerProtocol::smtp;
  smtpd::Verdict rcpt;
  if (add_verdict(out, "MAIL", question.sender,
                  policy.mail(client, protocol, question.hello, sender, question.facts)))
    add_verdict(out, "RCPT", question.recipient,
                rcpt = policy.rcpt(client, question.hello, sender, recipient, question.now,
                                   question.facts));
  if (out.decision == Decision::accept) {
    add_author(out, config, client);
    add_strangers(out, config, client, question);
    add_authentication(out, config, client, question.submission);
    add_filters(out, config, question.submission);
    add_content_rules(out, config, question.submission);
  }
  // RFC 5321 4.5.1: the bare <postmaster> is whom the configuration names.
  if (!recipient.has_domain()) recipient = mail::Address::from_text(config.postmaster);
  qmgr::Router router(config);
  recipient = add_rewriting(out, config, router, sender, recipient, question);
  qmgr::Routed routed = router.route(recipient, sender, question.client);
  out.route = *routed.settings;
  out.route.transport.hop = routed.hop;
  out.destination = routed.key;
  out.schedule = out.route.mailbox_schedule ? config.queue.retry_lmtp : config.queue.retry;
  out.lifetime = sender.is_null() ? config.queue.bounce_lifetime : config.queue.lifetime;
  if (rcpt.discard) {
    out.destination = mail::NextHop{mail::HopKind::discard, {}, {}}.key();
    out.steps.push_back({"discard", "nobody gets it", rcpt.origin->text()});
    return out;
  }
  std::string what = out.route.origin.line > 0 ? "by the first [[route]] that matches"
                                               : "by MX, since no [[route]] matches";
  if (auto place = out.destination.rfind(" route="); place != std::string::npos)
    what += fmt::format(" ({} is its place among the [[route]] tables, counted from 0)",
                        std::string_view(out.destination).substr(place + 1));
  out.steps.push_back(
      {"route", fmt::format("to {} {}", out.destination, what), out.route.origin.text()});
  add_client_bounds(out, config, client);
  add_route_bounds(out, config, sender.is_null());
  add_signing(out, config, client, sender);
  return out;
}

}  // namespace postwain::tool
