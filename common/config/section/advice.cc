// What can be obeyed and is hardly meant: warnings of `check`. Each looks at the finished values.

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"

namespace postwain::config {

namespace {

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.compare(0, 4, "127.") == 0;
}

bool is_wildcard(const std::string& host) {
  return host == "0.0.0.0" || host == "::";
}

// As far as the text tells: other names and addresses of this machine are found when mail has come
// back (limits.own_hops).
bool leads_to(const mail::HopHost& hop, const Listener& listener, const std::string& hostname) {
  if (!hop.unix_path.empty() || !listener.unix_path.empty())
    return hop.unix_path == listener.unix_path;
  if (hop.port != listener.port) return false;
  bool here = is_loopback(hop.host) || hop.host == hostname || is_wildcard(hop.host);
  if (is_wildcard(listener.host)) return here;
  return hop.host == listener.host || (here && is_loopback(listener.host)) ||
         (hop.host == hostname && !is_loopback(listener.host));
}

void look_at_hop(Context& context, const Config& config, const Route& route,
                 const mail::NextHop& hop) {
  for (const mail::HopHost& host : hop.hosts)
    for (const Listener& listener : config.listeners)
      if (leads_to(host, listener, config.hostname))
        return context.warn(route.origin,
                            fmt::format("{} leads to our own listener {}: mail comes back here "
                                        "until it is refused as a loop",
                                        hop.key(), listener.name()));
}

void look_at_route(Context& context, const Config& config, const Route& route) {
  for (const mail::NextHop& hop : {route.deliver, route.fallback.value_or(mail::NextHop{})})
    look_at_hop(context, config, route, hop);
  for (const std::string& match : route.match)
    if (match.compare(0, 2, "*@") == 0)
      context.warn(route.origin,
                   fmt::format("'{}' matches the user '*' and nobody else; the whole domain is "
                               "match = \"{}\"",
                               match, match.substr(2)));
}

void look_at_hostname(Context& context, const Config& config) {
  Origin at = config.place_of("", "hostname");
  if (at.line == 0) return;
  const std::string& name = config.hostname;
  if (is_ip_address(name))
    context.warn(at, fmt::format("{} is an address, not a name", name));
  else if (name.find('.') == std::string::npos)
    context.warn(at, fmt::format("{} is no full name: other servers may refuse a hello without a "
                                 "domain, and mail from here has addresses nobody can answer",
                                 name));
}

void look_at_own_domains(Context& context, const Config& config) {
  const Authentication& checks = config.authentication;
  if (!checks.wanted || checks.own_domains < AuthenticationAction::hold) return;
  if (!config.domains.empty() || config.srs.wanted) return;
  context.warn(config.place_of("[authentication]", "own_domains"),
               fmt::format("own_domains = \"{}\" without any [[domain]]: no domain is yours whose "
                           "mail could be forged",
                           name_of(checks.own_domains)));
}

void look_at_signing(Context& context, const Config& config) {
  if (config.signs_mail()) return;
  for (const Listener& listener : config.listeners)
    if (listener.sign == ListenerSign::all)
      context.warn(config.place_of(listener.origin.text(), "sign"),
                   "sign = true without a [[dkim_key]] that signs: nothing is signed");
}

}  // namespace

void advise(Context& context, Config& config) {
  // place_of() looks at what was read so far.
  config.origins.swap(context.origins);
  look_at_hostname(context, config);
  look_at_own_domains(context, config);
  look_at_signing(context, config);
  config.origins.swap(context.origins);
  for (const Route& route : config.routes) look_at_route(context, config, route);
}

}  // namespace postwain::config
