// `postwain dkim show` and `postwain dkim check`.
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/config/load/client_settings.h"
#include "common/mail/address.h"
#include "postwain/client/json_member.h"
#include "postwain/dkim/dkim_commands.h"
#include "postwain/dkim/key_json.h"
#include "postwain/dns_check/dns_check_command.h"
#include "postwain/dns_check/dns_desk.h"
#include "postwain/dns_check/dns_look.h"
#include "postwain/dns_check/key_findings.h"
#include "postwain/dns_check/without_root.h"

namespace postwain::tool {

namespace {

using KeyObject = nlohmann::ordered_json;

constexpr Duration kKeysAskedAtMost = std::chrono::minutes(1);

struct ShownKeys {
  config::Config config;
  std::vector<OwnKey> keys;
};

// Mistakes elsewhere in the configuration do not matter, nor that a key cannot be read. But where a
// file of it is none, nobody can say which keys there are.
Result<ShownKeys> keys_to_show(const ClientOptions& options, const std::string& domain) {
  config::Loaded loaded = config::load_client(options.config_file);
  if (loaded.config.hostname.empty() && !loaded.diagnostics.empty())
    return Error{loaded.diagnostics.front().text(), kExitConfig};
  ShownKeys out{std::move(loaded.config), {}};
  std::string name = mail::domain_key(domain);
  out.keys = keys_of_domain(read_own_keys(out.config, options.config_file), name);
  if (!out.keys.empty()) return out;
  return Error{name.empty() ? std::string("the configuration has no [[dkim_key]]")
                            : fmt::format("there is no [[dkim_key]] of {}", printable(name)),
               kExitNoInput};
}

std::string role_words(const OwnKey& key) {
  switch (key.role) {
    case KeyRole::signs:
      return "signs";
    case KeyRole::next:
      return "does not sign yet";
    case KeyRole::old:
      return "signs no more";
  }
  return {};
}

void print_key(const OwnKey& key) {
  fmt::print("{} {}: {}, {} ({})\n", key.entry.domain, key.entry.selector, key.algorithm_text(),
             role_words(key), key.entry.origin.text());
  if (key.trouble.empty())
    fmt::print("  {}\n", key.zone_line());
  else
    fmt::print("  {}\n", printable(key.trouble));
}

void print_keys_json(const KeyObject& value) {
  print_json(value.dump(-1, ' ', false, KeyObject::error_handler_t::replace));
}

}  // namespace

int dkim_show_command(const ClientOptions& options, const DkimOptions& wanted) {
  auto shown = keys_to_show(options, wanted.domain);
  if (!shown) return fail(shown.error().code, shown.error().text);
  if (options.json) {
    KeyObject list = KeyObject::array();
    for (const OwnKey& key : shown->keys) list.push_back(key_to_json(key));
    print_keys_json(list);
    return kExitOk;
  }
  for (const OwnKey& key : shown->keys) print_key(key);
  return kExitOk;
}

int dkim_check_command(const ClientOptions& options, const DkimOptions& wanted) {
  auto shown = keys_to_show(options, wanted.domain);
  if (!shown) return fail(shown.error().code, shown.error().text);
  const config::Config& config = shown->config;
  auto desk = DnsDesk::open(config.dns.servers, config.dns.trust_ad, kKeysAskedAtMost);
  if (!desk) return fail(kExitOsError, desk.error().text);
  if (Status done = go_on_without_root(config); !done)
    return fail(done.error().code, done.error().text);
  std::vector<KeyAnswer> asked;
  for (OwnKey& key : shown->keys) asked.push_back({std::move(key), {}});
  ask_for_keys(**desk, asked);
  (*desk)->run();
  std::vector<DnsFinding> findings;
  KeyObject list = KeyObject::array();
  for (const KeyAnswer& one : asked) {
    auto fitting = fitting_of_key(one.key, one.answer);
    findings.push_back(key_finding(one.key, fitting, config.queue.lifetime));
    KeyObject object = key_to_json(one.key);
    object["fit"] = std::string(name_of(fitting.fit));
    object["level"] = std::string(name_of(findings.back().level));
    object["text"] = findings.back().text;
    list.push_back(std::move(object));
  }
  bool good = are_good(findings);
  if (options.json)
    print_keys_json({{"ok", good}, {"keys", std::move(list)}});
  else
    fmt::print("{}", finding_lines(findings));
  return good ? kExitOk : kExitFailure;
}

}  // namespace postwain::tool
