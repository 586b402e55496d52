// [srs]: under which addresses the mail of others is forwarded.

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"
#include "common/mail/address.h"
#include "common/mail/address_pattern.h"

namespace postwain::config {

namespace {

constexpr std::string_view kSrsFilePrefix = "file:";

void read_srs_domain(Section& section, SrsRewriting& srs) {
  std::string text;
  if (section.find("domain") == nullptr) section.missing("domain");
  if (!section.text("domain", text)) return;
  std::string domain = mail::domain_key(text);
  if (is_domain(domain) && is_ascii(domain))
    srs.domain = std::move(domain);
  else
    section.context().error(section.origin_of("domain"),
                            fmt::format("domain: '{}' is not a domain", printable(text)));
}

// As postsrsd reads its file: blanks at the end belong to no secret.
void take_secret(Section& section, const Node& node, const std::string& path,
                 std::string_view content, SrsRewriting& srs) {
  std::size_t end = content.find('\n');
  std::string_view rest = end == std::string_view::npos ? "" : content.substr(end);
  std::string_view line = content.substr(0, end);
  while (!line.empty() && static_cast<unsigned char>(line.back()) <= ' ') line.remove_suffix(1);
  if (line.size() < kSrsSecretMin || line.size() > kSrsSecretMax)
    return section.error(node,
                         fmt::format("{}: its first line is the secret, and has {} to {} "
                                     "characters, not {}",
                                     printable(path), kSrsSecretMin, kSrsSecretMax, line.size()));
  if (rest.find_first_not_of(" \t\r\n") != std::string_view::npos)
    section.warn(node, fmt::format("{}: only its first line is a secret; a second one needs a "
                                   "file of its own",
                                   printable(path)));
  if (std::find(srs.secrets.begin(), srs.secrets.end(), line) != srs.secrets.end())
    section.warn(node, fmt::format("{} has the secret of another file", printable(path)));
  srs.secrets.emplace_back(line);
}

void read_srs_secrets(Section& section, SrsRewriting& srs) {
  if (section.find("secrets") == nullptr) section.missing("secrets");
  std::vector<const Node*> nodes = section.texts("secrets", true);
  if (section.find("secrets") != nullptr && nodes.empty())
    section.context().error(section.origin_of("secrets"), "secrets names at least one file");
  if (nodes.size() > kSrsSecretsMax)
    section.context().error(section.origin_of("secrets"),
                            fmt::format("more than {} secrets", kSrsSecretsMax));
  for (const Node* node : nodes) {
    std::string_view text = node->text;
    if (!text.starts_with(kSrsFilePrefix) || text.size() == kSrsFilePrefix.size()) {
      // What stands there instead may be the secret itself.
      section.error(*node, "secrets are named as \"file:/path\", and stand in that file");
      continue;
    }
    std::string path(text.substr(kSrsFilePrefix.size()));
    auto content = section.context().read(NamedFile{path, FileUse::srs_secret}, node->origin);
    if (content) take_secret(section, *node, path, *content, srs);
  }
}

void read_srs_separator(Section& section, SrsRewriting& srs) {
  std::string text;
  if (!section.text("separator", text)) return;
  if (text == "=" || text == "+" || text == "-")
    srs.separator = text.front();
  else
    section.context().error(
        section.origin_of("separator"),
        fmt::format("separator is one of = + and -, not '{}'", printable(text)));
}

// The name itself, or one that it lies below where the [[domain]] is written ".name".
bool is_domain_of(const Domain& domain, std::string_view name) {
  return std::any_of(domain.names.begin(), domain.names.end(), [&](const std::string& one) {
    return mail::matches_domain(mail::canonical_pattern(one), name);
  });
}

void look_at_srs_domain(Context& context, const Section& section, Config& config) {
  SrsRewriting& srs = config.srs;
  const std::vector<std::string>& names = config.addresses.alias_domains;
  bool of_domain = std::any_of(config.domains.begin(), config.domains.end(),
                               [&](const Domain& one) { return is_domain_of(one, srs.domain); });
  bool of_aliases = std::find(names.begin(), names.end(), srs.domain) != names.end();
  srs.shared = of_domain || of_aliases;
  srs.postmaster = config.postmaster;
  if (srs.shared)
    context.warn(section.origin_of("domain"),
                 fmt::format("{} is {} as well: there, addresses that begin with SRS0 or SRS1 are "
                             "senders that come back, and all others go on as before",
                             srs.domain, of_domain ? "a [[domain]]" : "one of the alias_domains"));
}

// Who looks at SPF alone finds such mail to be ours: an alias would lend it our name.
void warn_of_borrowed_name(Context& context, const Section& section, const Config& config) {
  const Authentication& checks = config.authentication;
  if (checks.wanted && checks.own_domains >= AuthenticationAction::hold &&
      checks.mode == FilterMode::enforce)
    return;
  for (const Domain& domain : config.domains)
    for (const std::string& written : domain.names) {
      std::string name = mail::domain_key(std::string_view(written).substr(written[0] == '.'));
      std::string_view srs = config.srs.domain;
      bool below = srs == name || srs.ends_with("." + name);
      if (below)
        return context.warn(
            section.origin_of("domain"),
            fmt::format("forwarded mail passes SPF as {}, and so DMARC where its From says {}, "
                        "whoever wrote it: use a domain that is not below {}, or own_domains = "
                        "\"hold\" or \"refuse\" in [authentication]",
                        config.srs.domain, name, name));
    }
}

}  // namespace

void read_srs(Context& context, const Node* table, Config& config) {
  if (table == nullptr) return;
  SrsRewriting& srs = config.srs;
  Section section(context, *table, "[srs]");
  srs.wanted = true;
  srs.origin = table->origin;
  read_srs_domain(section, srs);
  read_srs_secrets(section, srs);
  read_srs_separator(section, srs);
  section.choice("returns", srs.returns,
                 {{"null", SrsReturns::null_sender}, {"any", SrsReturns::any}});
  section.finish();
  if (srs.domain.empty()) return;
  look_at_srs_domain(context, section, config);
  warn_of_borrowed_name(context, section, config);
}

}  // namespace postwain::config
