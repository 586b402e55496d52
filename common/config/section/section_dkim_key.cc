// [[dkim_key]]: keys that sign mail when it leaves.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"
#include "common/mail/address.h"

namespace postwain::config {

namespace {

// RFC 8301 and RFC 8463 leave two algorithms, and a change of keys has an old and a new one of
// each.
constexpr std::size_t kSigningKeysMax = 4;  // of one domain, in use

// As the DNS writes it; empty with an error where it is no name.
std::string read_key_name(Section& section, std::string_view key) {
  std::string text;
  if (section.find(key) == nullptr) section.missing(key);
  if (!section.text(key, text)) return {};
  std::string canonical = mail::domain_key(text);
  if (is_domain(canonical) && is_ascii(canonical)) return canonical;
  section.context().error(section.origin_of(key),
                          fmt::format("{}: '{}' is not a name as in DNS", key, printable(text)));
  return {};
}

// Whoever copies the name of the record means its first part.
void check_selector(Section& section, const DkimKey& key) {
  if (is_selector(key.selector)) return;
  section.context().error(section.origin_of("selector"),
                          fmt::format("selector: '{}' is the name of the record; write the part "
                                      "before '._domainkey' alone",
                                      printable(key.selector)));
}

DkimKey read_dkim_key(Context& context, const Node& node) {
  Section section(context, node, "[[dkim_key]]");
  DkimKey out;
  out.origin = node.origin;
  out.domain = read_key_name(section, "domain");
  out.selector = read_key_name(section, "selector");
  check_selector(section, out);
  section.boolean("subdomains", out.subdomains);
  section.boolean("signs", out.signs);
  if (section.find("key") == nullptr) section.missing("key");
  bool given = section.text("key", out.key);
  if (given && out.key.starts_with("file:")) {
    section.context().error(section.origin_of("key"),
                            "key: always a file, and no 'file:' before its path");
  } else if (given) {
    auto pem = context.read(NamedFile{out.key, FileUse::dkim_key}, section.origin_of("key"));
    if (pem) out.key_pem = *pem;
  }
  section.finish();
  return out;
}

}  // namespace

void read_dkim_keys(Context& context, const std::vector<const Node*>& tables,
                    std::vector<DkimKey>& out) {
  std::set<std::pair<std::string, std::string>> names;
  std::map<std::string, std::size_t> signing;
  for (const Node* node : tables) {
    DkimKey key = read_dkim_key(context, *node);
    if (!names.emplace(key.domain, key.selector).second && !key.domain.empty())
      context.error(key.origin, fmt::format("the selector {} of {} stands in two [[dkim_key]]",
                                            key.selector, key.domain));
    if (key.signs && ++signing[key.domain] == kSigningKeysMax + 1)
      context.error(key.origin, fmt::format("more than {} keys of {} with signs = true",
                                            kSigningKeysMax, key.domain));
    out.push_back(std::move(key));
  }
}

void check_seal_key(Context& context, const Config& config) {
  const Authentication& checks = config.authentication;
  if (!checks.wanted || checks.arc.seal == ArcSealing::off) return;
  const std::string& wanted = checks.arc.seal_domain;
  bool found =
      std::any_of(config.dkim_keys.begin(), config.dkim_keys.end(), [&](const DkimKey& key) {
        bool below = key.subdomains && wanted.ends_with("." + key.domain);
        return key.signs && (key.domain == wanted || below);
      });
  if (!found)
    context.error(checks.origin,
                  fmt::format("seal needs a [[dkim_key]] of {} that signs; seal_domain can name "
                              "another domain",
                              wanted));
}

}  // namespace postwain::config
