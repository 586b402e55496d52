#include "postwain/dns_check/dns_check_command.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/mail/address.h"
#include "postwain/client/json_member.h"
#include "postwain/dns_check/dns_desk.h"
#include "postwain/dns_check/dns_look.h"
#include "postwain/dns_check/without_root.h"
#include "postwain/explain/whole_check.h"
#include "postwain/supervisor/run.h"

namespace postwain::tool {

namespace {

constexpr Duration kDnsCheckMin = std::chrono::seconds(1);
constexpr Duration kDnsCheckMax = std::chrono::minutes(10);

// Those of ours that are wanted; a wanted one that the configuration does not name is looked at as
// one that only sends.
std::vector<OwnDomain> wanted_domains(const config::Config& config,
                                      const std::vector<std::string>& wanted) {
  std::vector<OwnDomain> all = own_domains(config);
  if (wanted.empty()) return all;
  std::vector<OwnDomain> out;
  for (const std::string& text : wanted) {
    std::string name = mail::domain_key(text);
    auto same = [&](const OwnDomain& own) { return own.name == name; };
    auto found = std::find_if(all.begin(), all.end(), same);
    if (std::none_of(out.begin(), out.end(), same))
      out.push_back(found == all.end() ? OwnDomain{name, false} : *found);
  }
  return out;
}

// What of the options is wrong; nothing: nothing is.
std::optional<std::string> mistake_in_options(const DnsCheckOptions& wanted) {
  for (const std::string& address : wanted.addresses)
    if (!config::is_ip_address(address))
      return fmt::format("--address: '{}' is no IP address", printable(address));
  for (const std::string& domain : wanted.domains)
    if (!config::is_domain(domain))
      return fmt::format("--domain: '{}' is no domain", printable(domain));
  auto within = config::parse_duration(wanted.within);
  if (!within || *within < kDnsCheckMin || *within > kDnsCheckMax)
    return fmt::format("--within: from {} to {}", format_duration(kDnsCheckMin),
                       format_duration(kDnsCheckMax));
  return std::nullopt;
}

nlohmann::ordered_json findings_to_json(const std::vector<DnsFinding>& findings) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const DnsFinding& one : findings) {
    nlohmann::ordered_json object = {{"about", one.about},
                                     {"what", std::string(one.what)},
                                     {"level", std::string(name_of(one.level))},
                                     {"text", one.text}};
    if (!one.publish.empty()) object["publish"] = one.publish;
    list.push_back(std::move(object));
  }
  return list;
}

void print_dns_json(const config::Loaded& loaded, const std::vector<DnsFinding>& findings) {
  nlohmann::ordered_json out = {{"ok", are_good(findings)},
                                {"errors", to_json(loaded.diagnostics)},
                                {"warnings", to_json(loaded.warnings)},
                                {"dns", findings_to_json(findings)}};
  print_json(out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void print_dns_text(const std::vector<DnsFinding>& findings, bool over) {
  fmt::print("{}", finding_lines(findings));
  auto worse = std::count_if(findings.begin(), findings.end(), [](const DnsFinding& one) {
    return one.level == FindingLevel::warning || one.level == FindingLevel::error;
  });
  if (over) fmt::print(stderr, "the DNS was not done in time (--within)\n");
  if (worse == 0)
    fmt::print("the DNS has what it should\n");
  else
    fmt::print(stderr, "{} finding{} in the DNS worse than advice\n", worse, worse == 1 ? "" : "s");
}

}  // namespace

std::string finding_lines(const std::vector<DnsFinding>& findings) {
  std::string out;
  for (const DnsFinding& one : findings) {
    out += fmt::format("{:8}{} {}: {}\n", name_of(one.level), printable(one.about), one.what,
                       one.text);
    if (!one.publish.empty()) out += fmt::format("        publish: {}\n", one.publish);
  }
  return out;
}

int dns_check_command(const ClientOptions& options, const DnsCheckOptions& wanted) {
  if (auto mistake = mistake_in_options(wanted)) return fail(kExitUsage, *mistake);
  config::Loaded loaded = wholly_checked(options.config_file);
  if (!loaded.diagnostics.empty()) return report_check(options.config_file, loaded, options.json);
  if (!options.json) (void)report_check(options.config_file, loaded, false);
  const config::Config& config = loaded.config;
  auto desk = DnsDesk::open(config.dns.servers, config.dns.trust_ad,
                            *config::parse_duration(wanted.within));
  if (!desk) return fail(kExitOsError, desk.error().text);
  std::vector<OwnKey> keys = read_own_keys(config, options.config_file);
  (*desk)->prepare_fetching();
  if (Status done = go_on_without_root(config); !done)
    return fail(done.error().code, done.error().text);
  DnsLook look(**desk, config, std::move(keys), wanted.addresses);
  look.run(wanted_domains(config, wanted.domains));
  std::vector<DnsFinding> findings = look.findings();
  if (options.json)
    print_dns_json(loaded, findings);
  else
    print_dns_text(findings, (*desk)->is_over());
  return are_good(findings) ? kExitOk : kExitFailure;
}

}  // namespace postwain::tool
