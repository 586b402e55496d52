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

// Sealing is the work of forwarders, and not there.
enum class ArcSeal : std::uint8_t { off };

void read_arc(Context& context, const Node* table, ArcChecks& arc) {
  if (table == nullptr) return;
  Section section(context, *table, "arc");
  section.boolean("verify", arc.verify);
  ArcSeal seal = ArcSeal::off;
  section.choice("seal", seal, {{"off", ArcSeal::off}});
  for (const Node* node : section.texts("trusted", true)) {
    if (is_domain(node->text))
      arc.trusted.push_back(mail::domain_key(node->text));
    else
      section.error(*node, fmt::format("trusted: '{}' is not a domain", printable(node->text)));
  }
  if (!arc.trusted.empty() && !arc.verify)
    context.error(section.origin_of("trusted"), "trusted needs verify = true");
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
  read_action(section, "dkim", ours.dkim);
  read_action(section, "dmarc", ours.dmarc);
  read_action(section, "own_domains", ours.own_domains);
  read_arc(context, section.table("arc"), ours.arc);
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
