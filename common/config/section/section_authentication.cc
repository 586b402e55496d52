// [authentication]: SPF, DKIM and DMARC of mail that strangers bring, in whosever name.

#include <algorithm>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"
#include "common/mail/address.h"

namespace postwain::config {

namespace {

using namespace std::chrono_literals;
using Action = AuthenticationAction;

void read_action(Section& section, std::string_view key, Action& out) {
  section.choice(key, out,
                 {{"off", Action::off},
                  {"note", Action::note},
                  {"hold", Action::hold},
                  {"refuse", Action::refuse}});
}

void read_arc(Context& context, const Node* table, ArcChecks& arc) {
  if (table == nullptr) return;
  Section section(context, *table, "arc");
  section.boolean("verify", arc.verify);
  section.choice("seal", arc.seal,
                 {{"off", ArcSealing::off}, {"forwarded", ArcSealing::forwarded}});
  std::string domain;
  if (section.text("seal_domain", domain)) {
    if (is_domain(domain))
      arc.seal_domain = mail::domain_key(domain);
    else
      context.error(section.origin_of("seal_domain"),
                    fmt::format("seal_domain: '{}' is not a domain", printable(domain)));
  }
  for (const Node* node : section.texts("trusted", true)) {
    if (is_domain(node->text))
      arc.trusted.push_back(mail::domain_key(node->text));
    else
      section.error(*node, fmt::format("trusted: '{}' is not a domain", printable(node->text)));
  }
  if (!arc.trusted.empty() && !arc.verify)
    context.error(section.origin_of("trusted"), "trusted needs verify = true");
  if (arc.seal != ArcSealing::off && !arc.verify)
    context.error(section.origin_of("seal"),
                  "seal needs verify = true: a seal says what was found");
  if (!arc.seal_domain.empty() && arc.seal == ArcSealing::off)
    context.error(section.origin_of("seal_domain"), "seal_domain is for seal = \"forwarded\"");
  section.finish();
}

void read_service_name(Section& section, Authentication& authentication) {
  std::string name;
  if (!section.text("name", name)) return;
  if (is_domain(name))
    authentication.name = mail::domain_key(name);
  else
    section.context().error(section.origin_of("name"),
                            fmt::format("'{}' is not a host name", printable(name)));
}

void warn_of_settings(Context& context, const Config& config) {
  const Authentication& ours = config.authentication;
  if (ours.dmarc != Action::off && ours.dkim == Action::off)
    context.warn(ours.origin,
                 "dmarc without dkim: mail that is forwarded, or sent by lists, passes by its "
                 "signature only, and fails without it");
  if (ours.dkim >= Action::hold && ours.dmarc == Action::off)
    context.warn(ours.origin,
                 fmt::format("dkim = \"{}\" without dmarc: nothing follows, since nobody asks what "
                             "the domain wants",
                             name_of(ours.dkim)));
  if (ours.dmarc != Action::off && ours.spf == Action::off)
    context.warn(ours.origin,
                 "dmarc without spf: mail of domains that do not sign passes by SPF only, and "
                 "fails without it");
  if (ours.own_domains >= Action::hold && (ours.dkim == Action::off || ours.spf == Action::off))
    context.warn(ours.origin,
                 fmt::format("own_domains = \"{}\" without {}: mail of yours that only {} shows to "
                             "be yours is taken for a forgery",
                             name_of(ours.own_domains), ours.dkim == Action::off ? "dkim" : "spf",
                             ours.dkim == Action::off ? "DKIM" : "SPF"));
  if (ours.spf == Action::off && ours.spf_helo >= Action::hold)
    context.warn(ours.origin, fmt::format("spf_helo = \"{}\" with spf = \"off\": SPF is not "
                                          "looked at, and so nothing follows",
                                          name_of(ours.spf_helo)));
  bool any = std::any_of(config.listeners.begin(), config.listeners.end(),
                         [&](const Listener& one) { return ours.is_on(one); });
  if (!any && !config.listeners.empty())
    context.warn(ours.origin,
                 "no listener for the mail of strangers: all of them are for submission");
}

}  // namespace

void read_authentication(Context& context, const Node* table, Config& config) {
  Authentication& ours = config.authentication;
  ours.name = config.hostname;
  if (table == nullptr) return;
  Section section(context, *table, "[authentication]");
  ours.wanted = true;
  ours.origin = table->origin;
  read_service_name(section, ours);
  read_action(section, "spf", ours.spf);
  read_action(section, "spf_helo", ours.spf_helo);
  read_action(section, "dkim", ours.dkim);
  read_action(section, "dmarc", ours.dmarc);
  read_action(section, "own_domains", ours.own_domains);
  read_arc(context, section.table("arc", "{ verify = true }"), ours.arc);
  if (ours.arc.seal_domain.empty()) ours.arc.seal_domain = ours.name;
  section.duration("time", ours.time, 1s, 2min);
  section.choice("mode", ours.mode,
                 {{"enforce", FilterMode::enforce}, {"watch", FilterMode::watch}});
  section.finish();
  if (ours.spf == Action::off && ours.dkim == Action::off && ours.dmarc == Action::off)
    context.error(ours.origin,
                  "spf, dkim and dmarc are off: leave [authentication] away, or let one of them be "
                  "looked at");
  for (const Filter& filter : config.filters)
    if (iequals(filter.name, kAuthenticationName))
      context.error(filter.origin,
                    "authentication is the name of the check that [authentication] describes");
  warn_of_settings(context, config);
}

}  // namespace postwain::config
