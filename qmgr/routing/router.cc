#include "qmgr/routing/router.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/config.h"
#include "common/mail/address_pattern.h"

#include "qmgr/scheduling/scheduler_queue.h"

namespace postwain::qmgr {

namespace {

mail::TlsLevel usual_tls(const mail::NextHop& hop) {
  switch (hop.kind) {
    case mail::HopKind::mx:
      return mail::TlsLevel::policy;
    case mail::HopKind::smtp:
      return hop.implicit_tls() ? mail::TlsLevel::encrypt : mail::TlsLevel::may;
    case mail::HopKind::lmtp:
    case mail::HopKind::discard:
      break;
  }
  return mail::TlsLevel::off;
}

// A store answers for one recipient after the other: the fewer there are in one transaction, the
// fewer wait for a slow one.
std::uint32_t usual_recipients(bool lmtp) {
  return lmtp ? kMailboxLeaseRecipients : static_cast<std::uint32_t>(kLeaseRecipients);
}

bool may_sign(mail::HopKind kind) {
  return kind == mail::HopKind::mx || kind == mail::HopKind::smtp;
}

// signs: there are keys that sign.
RouteSettings settings_of(const config::Route& route, bool signs) {
  RouteSettings settings;
  bool lmtp = route.deliver.kind == mail::HopKind::lmtp;
  mail::Transport& transport = settings.transport;
  transport.hop = route.deliver;
  transport.tls = route.tls.value_or(usual_tls(route.deliver));
  transport.sources = route.sources;
  transport.family = route.family;
  transport.avoid = route.avoid;
  transport.fields = route.fields;
  transport.xforward = route.xforward;
  transport.sign = signs && route.sign && may_sign(route.deliver.kind);
  transport.bounds = route.bounds;
  transport.credential = route.credential;
  transport.certificate = route.certificate;
  if (route.fallback) transport.fallback = route.fallback->hosts;
  transport.fallback_tls = route.fallback_tls;
  transport.one_by_one = route.hold_in_doubt;
  settings.hold_in_doubt = route.hold_in_doubt;
  settings.mailbox_schedule = route.mailbox_schedule || lmtp;
  settings.recipients = route.recipients != 0 ? route.recipients : usual_recipients(lmtp);
  settings.rate_count = route.rate_count;
  settings.rate_period = route.rate_period;
  settings.drain_count = route.drain_count;
  settings.drain_period = route.drain_period;
  settings.origin = route.origin;
  return settings;
}

// Two routes to one hop that differ in how they go there must not share leases and windows.
bool is_plain(const RouteSettings& s, mail::HopKind kind, bool signs) {
  mail::Transport usual;
  usual.hop = s.transport.hop;
  usual.tls = usual_tls(s.transport.hop);
  usual.fallback_tls = s.transport.fallback_tls;
  usual.sign = signs && may_sign(kind);
  return s.transport == usual && !s.hold_in_doubt && s.rate_count == 0 && s.drain_count == 0 &&
         s.recipients == usual_recipients(kind == mail::HopKind::lmtp) &&
         s.mailbox_schedule == (kind == mail::HopKind::lmtp);
}

}  // namespace

Router::Router(const config::Config& config) {
  fallback_.settings.recipients = usual_recipients(false);
  fallback_.settings.transport.tls = usual_tls(mail::NextHop());
  const bool signs = config.signs_mail();
  fallback_.settings.transport.sign = signs;
  targets_.reserve(config.routes.size());
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const config::Route& route = config.routes[i];
    Target target{route.senders, route.clients, {}, {}, settings_of(route, signs)};
    target.settings.number = static_cast<std::uint32_t>(i + 1);
    if (route.bounds.route_connections > 0)
      target.settings.transport.bounds.route = target.settings.number;
    if (!is_plain(target.settings, route.deliver.kind, signs))
      target.suffix = fmt::format(" route={}", i);
    if (route.deliver.kind != mail::HopKind::mx) target.key = route.deliver.key() + target.suffix;
    targets_.push_back(std::move(target));
    for (const std::string& match : route.match) add_match(match, i);
  }
}

void Router::add_match(const std::string& match, std::size_t route) {
  if (match == "*") {
    any_.push_back(route);
  } else if (match.size() > 1 && match.front() == '.') {
    suffixes_[mail::domain_key(std::string_view(match).substr(1))].push_back(route);
  } else {
    exact_[mail::canonical_pattern(match)].push_back(route);
  }
}

Routed Router::route(const mail::Address& recipient, const mail::Address& sender,
                     const std::string& client) const {
  std::string domain = recipient.domain_key();
  std::size_t found = find(recipient, domain, {sender, client});
  const Target& target = found == kNone ? fallback_ : targets_[found];
  Routed routed{target.settings.transport.hop, {}, &target.settings};
  if (routed.hop.kind == mail::HopKind::mx) {
    routed.hop.domain = std::move(domain);  // or an address literal
    routed.key = routed.hop.key() + target.suffix;
  } else {
    routed.key = target.key;
  }
  return routed;
}

bool Router::has_hop(std::string_view key) const {
  return std::any_of(targets_.begin(), targets_.end(),
                     [key](const Target& one) { return !one.key.empty() && one.key == key; });
}

std::size_t Router::first_for(const Numbers& numbers, const Source& source) const {
  auto is_sender = [&](const std::string& one) {
    return mail::matches_address(one, source.sender);
  };
  auto is_client = [&](const config::Network& one) { return contains(one, source.client); };
  for (std::size_t number : numbers) {
    const Target& target = targets_[number];
    if (target.senders.empty() ||
        std::any_of(target.senders.begin(), target.senders.end(), is_sender))
      if (target.clients.empty() ||
          std::any_of(target.clients.begin(), target.clients.end(), is_client))
        return number;
  }
  return kNone;
}

// Every kind of match names the routes that have it; the smallest number whose sender and client
// fit is the first match in the order of the file.
std::size_t Router::find(const mail::Address& recipient, const std::string& domain,
                         const Source& source) const {
  std::size_t best = first_for(any_, source);
  auto look = [&](const std::unordered_map<std::string, Numbers>& table, const std::string& key) {
    auto found = table.find(key);
    if (found != table.end()) best = std::min(best, first_for(found->second, source));
  };
  if (!exact_.empty()) {
    look(exact_, domain);
    look(exact_, to_lower(recipient.local_unquoted()) + "@" + domain);
  }
  if (suffixes_.empty()) return best;
  for (std::size_t dot = domain.find('.'); dot != std::string::npos;
       dot = domain.find('.', dot + 1))
    look(suffixes_, domain.substr(dot + 1));
  return best;
}

}  // namespace postwain::qmgr
