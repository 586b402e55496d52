// [tls_reports]: reports about TLS (RFC 8460). [dmarc_reports]: reports about DMARC (RFC 9990).
#include <algorithm>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"
#include "common/mail/address.h"

namespace postwain::config {

namespace {

constexpr Duration kSpreadMax = std::chrono::hours(20);
constexpr std::size_t kNameMax = 200;

void read_address(Section& section, std::string_view key, std::string& out) {
  std::string text;
  if (!section.text(key, text)) return;
  if (is_mailbox(text) && is_ascii(text))
    out = text;
  else
    section.context().error(section.origin_of(key),
                            fmt::format("{}: '{}' is not an address", key, printable(text)));
}

// What both tables have. ending: of the folder, behind that of the spool.
template <class Reports>
void put_defaults(const Config& config, const char* ending, Reports& reports) {
  reports.folder = config.spool_dir + ending;
  reports.organization = config.hostname;
  reports.contact = config.postmaster;
}

template <class Reports>
void read_terms(Context& context, Section& section, Reports& reports) {
  if (section.text("organization", reports.organization) && reports.organization.size() > kNameMax)
    context.error(section.origin_of("organization"), "organization is too long");
  read_address(section, "contact", reports.contact);
  if (section.find("from") == nullptr) section.missing("from");
  read_address(section, "from", reports.from);
  if (section.text("folder", reports.folder))
    reports.folder = resolve_path(context.directory, reports.folder);
  section.duration("spread", reports.spread, Duration(0), kSpreadMax);
}

// As smtp-client finds the key of a message.
bool is_signed(const Config& config, const std::string& domain) {
  return std::any_of(config.dkim_keys.begin(), config.dkim_keys.end(), [&](const DkimKey& key) {
    bool below = key.subdomains && domain.ends_with("." + key.domain);
    return key.signs && (key.domain == domain || below);
  });
}

std::string domain_of(const std::string& address) {
  return mail::domain_key(address.substr(address.rfind('@') + 1));
}

void look_at_dmarc_reports(Context& context, const Config& config) {
  const DmarcReports& reports = config.dmarc_reports;
  if (!config.authentication.wanted || config.authentication.dmarc == AuthenticationAction::off)
    context.error(reports.origin,
                  "[dmarc_reports] needs [authentication], and dmarc in it not off: nobody looks "
                  "at what would be reported");
  std::string domain = domain_of(reports.from);
  if (!domain.empty() && !is_signed(config, domain))
    context.warn(reports.origin,
                 fmt::format("no [[dkim_key]] signs mail of {}; unless another server does so on "
                             "their way, reports pass DMARC by SPF only, and who gets them may "
                             "ignore them (RFC 9990 3.5.2)",
                             printable(domain)));
}

void read_signing(Section& section, TlsReports& reports) {
  section.text("dkim_selector", reports.dkim_selector);
  bool named = section.text("dkim_key", reports.dkim_key);
  if (named != !reports.dkim_selector.empty())
    section.context().error(section.origin(),
                            "dkim_selector and dkim_key belong together in [tls_reports]");
  if (!reports.dkim_selector.empty() &&
      !(is_domain(reports.dkim_selector) && is_ascii(reports.dkim_selector)))
    section.context().error(section.origin_of("dkim_selector"),
                            "dkim_selector is a name as in DNS");
  if (!named) return;
  auto content = section.context().read(NamedFile{reports.dkim_key, FileUse::signing_key},
                                        section.origin_of("dkim_key"));
  if (content) reports.dkim_key_pem = *content;
}

}  // namespace

void read_tls_reports(Context& context, const Node* table, Config& config) {
  TlsReports& reports = config.tls_reports;
  put_defaults(config, "-reports", reports);
  if (table == nullptr) return;
  Section section(context, *table, "[tls_reports]");
  reports.wanted = true;
  reports.origin = table->origin;
  read_terms(context, section, reports);
  read_signing(section, reports);
  std::string domain = domain_of(reports.from);
  if (reports.dkim_key.empty() && !domain.empty() && !is_signed(config, domain))
    section.warn(
        *table,
        fmt::format("without dkim_key, or a [[dkim_key]] of {}, reports by mail are not signed "
                    "here; unless another server signs them on their way, those who get them "
                    "ignore them (RFC 8460 3)",
                    printable(domain)));
  section.finish();
}

void read_dmarc_reports(Context& context, const Node* table, Config& config) {
  DmarcReports& reports = config.dmarc_reports;
  put_defaults(config, "-dmarc-reports", reports);
  if (table == nullptr) return;
  Section section(context, *table, "[dmarc_reports]");
  reports.wanted = true;
  reports.origin = table->origin;
  read_terms(context, section, reports);
  section.finish();
  look_at_dmarc_reports(context, config);
}

}  // namespace postwain::config
